//! `whoami`: user, groups, server and quota in one look.

use serde_json::{Value, json};

use cmp_core::budget::releasing;
use cmp_core::keys;
use cmp_core::verdict::available;

use crate::args::OutputArgs;
use crate::commands::shared::quota::quota_rows;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object, table_within};

pub(crate) async fn run(context: &Context<'_>, output: OutputArgs) -> Result<(), CliError> {
    let who = context.who().await?;
    let server = &context.connection().await?.server;
    let account = match &who.user {
        Some(user) => Some(context.account(user).await?.account),
        None => None,
    };
    match &output.output {
        Some(format) if format.is_of_objects() => {
            let quota = account.as_ref().map_or(
                Value::Null,
                |account| json!({ "total": account.quota, "used": account.charge(), "available": available(account), "releasing": releasing(account) }),
            );
            let object = json!({
                "apiVersion": keys::API_VERSION,
                "kind": "User",
                "metadata": { "name": who.user },
                "status": { "username": who.username, "groups": who.groups, "server": server, "quota": quota },
            });
            print_object(context.ui, format, &object)
        }
        Some(Format::Name) => {
            let name = who.user.as_ref().map_or_else(|| who.username.clone(), ToString::to_string);
            context.ui.line(&format!("user/{name}"))
        }
        _ => {
            let user = who.user.as_ref().map_or_else(|| "none (not a user of cmp)".to_owned(), ToString::to_string);
            let row = |name: &str, value: String| vec![name.to_owned(), value];
            let rows = [
                row("User:", user),
                row("Username:", who.username.clone()),
                row("Groups:", who.groups.join(", ")),
                row("Server:", server.clone()),
            ];
            let room = context.ui.room();
            let mut text = table_within(&rows, room);
            if let Some(account) = &account {
                text.push('\n');
                text.push_str(&table_within(&quota_rows(account), room));
            }
            context.ui.out(&text)
        }
    }
}
