//! `get tokens`: lists the tokens of a user.

use clap::Args;
use jiff::Timestamp;

use cmp_client::tokens::Tokens;

use crate::args::{ListArgs, UserNameArg};
use crate::commands::shared::tokens::object;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get tokens john")]
pub(crate) struct GetTokens {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const TOKENS: Heads = (&["ID", "USER", "EXPIRES", "AGE"], &[]);

pub(crate) async fn run(context: &Context<'_>, args: GetTokens) -> Result<(), CliError> {
    let GetTokens { user: UserNameArg { user }, list } = args;
    context.account(&user).await?;
    let now = Timestamp::now();
    let tokens = Tokens::new(&context.client().await?).list(&user).await?;
    let items = tokens.iter().map(|token| Item {
        name: format!("token/{}", token.id),
        object: object(token),
        cells: vec![
            token.id.clone(),
            user.to_string(),
            match token.expires {
                Some(expires) if expires <= now => "expired".to_owned(),
                // The remaining time has the form of an age.
                Some(expires) => format!("in {}", age(Some(now), expires)),
                None => String::new(),
            },
            age(token.created, now),
        ],
        wide: Vec::new(),
    });
    print(context.ui, &list, TOKENS, items.collect(), false)
}
