//! `get tokens`: lists the tokens of a user, or of all users.

use clap::Args;
use jiff::Timestamp;

use cmp_client::tokens::{Token, Tokens};
use cmp_core::name::UserName;

use crate::args::ListArgs;
use crate::args::values::name;
use crate::commands::shared::tokens::object;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get tokens john\n  kubectl cmp get tokens -A")]
pub(crate) struct GetTokens {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>, required_unless_present = "all_namespaces")]
    pub(crate) user: Option<UserName>,
    /// Show the tokens of all users
    #[arg(short = 'A', long, conflicts_with = "user")]
    pub(crate) all_namespaces: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const TOKENS: Heads = (&["ID", "USER", "EXPIRES", "AGE"], &[]);

/// The columns of several users' tokens.
const ALL_TOKENS: Heads = (&["USER", "ID", "EXPIRES", "AGE"], &[]);

pub(crate) async fn run(context: &Context<'_>, args: GetTokens) -> Result<(), CliError> {
    let GetTokens { user, all_namespaces: _, list } = args;
    let tokens = Tokens::new(&context.client().await?);
    let (heads, found) = match &user {
        Some(user) => {
            context.account(user).await?;
            (TOKENS, tokens.list(user).await?)
        }
        None => (ALL_TOKENS, tokens.list_all().await?),
    };
    let now = Timestamp::now();
    let items = found.iter().map(|token| item(token, user.is_none(), now));
    print(context.ui, &list, heads, items.collect(), false)
}

/// Returns a token for every output format. In a list of several users' tokens the user comes first.
fn item(token: &Token, user_first: bool, now: Timestamp) -> Item {
    let mut cells = vec![
        token.id.clone(),
        token.user.clone().unwrap_or_default(),
        match token.expires {
            Some(expires) if expires <= now => "expired".to_owned(),
            // The remaining time has the form of an age.
            Some(expires) => format!("in {}", age(Some(now), expires)),
            None => String::new(),
        },
        age(token.created, now),
    ];
    if user_first {
        cells.swap(0, 1);
    }
    Item { name: format!("token/{}", token.id), object: object(token), cells, wide: Vec::new() }
}
