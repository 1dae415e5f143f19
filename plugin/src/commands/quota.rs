//! `quota`: the total, used and available amounts.

use clap::Args;

use cmp_core::budget::{Level, Usage, usages};
use cmp_core::name::UserName;

use crate::args::OutputArgs;
use crate::args::values::name;
use crate::commands::shared::quota::{object, rows_of};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object, table};
use crate::ui::{Colour, Ui};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp quota\n  kubectl cmp quota john -o json")]
pub(crate) struct QuotaArgs {
    /// The name of the user (administrators); you by default
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: Option<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Characters of a full bar.
const BAR: usize = 20;

/// The columns that a terminal gets besides: the use in percent, and the bar.
const MORE: [&str; 2] = ["USE%", "BAR"];

pub(crate) async fn run(context: &Context<'_>, args: QuotaArgs) -> Result<(), CliError> {
    let QuotaArgs { user, output } = args;
    if user.is_none() && context.who().await?.user.is_none() {
        return Err(CliError::user("whose quota?").hint("name the user: kubectl cmp quota USER"));
    }
    let user = context.account_of(user.as_ref()).await?;
    let account = context.account(&user).await?.account;
    match &output.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&account)?),
        Some(Format::Name) => context.ui.line(&format!("quota/{user}")),
        _ => print_table(context.ui, &usages(&account).unwrap_or_default(), output.no_headers),
    }
}

/// Prints the table. On a terminal it has the use in percent and a bar, as far as they fit into a line.
fn print_table(ui: &Ui, usages: &[Usage], no_headers: bool) -> Result<(), CliError> {
    let from = usize::from(no_headers);
    let narrow = rows_of(usages);
    if !ui.on_terminal() {
        return ui.out(&table(&narrow[from.min(narrow.len())..]));
    }
    let columns = ui.columns().map_or(usize::MAX, usize::from);
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= columns);
    let with = |more: usize| {
        let cells = usages.iter().map(|usage| [format!("{}%", usage.percent()), bar(usage)]);
        let heads = MORE.map(str::to_owned);
        let rows = narrow.iter().zip([heads].into_iter().chain(cells));
        let rows: Vec<Vec<String>> =
            rows.map(|(row, cells)| row.iter().cloned().chain(cells.into_iter().take(more)).collect()).collect();
        table(&rows[from.min(rows.len())..])
    };
    let text = [with(2), with(1)].into_iter().find(fits).unwrap_or_else(|| with(0));
    let levels = (from == 0).then_some(None).into_iter().chain(usages.iter().map(|usage| Some(usage.level())));
    let parts: Vec<(String, Option<Colour>)> = text
        .lines()
        .zip(levels)
        .flat_map(|(line, level)| {
            // Only the additional columns have a colour. They begin at the percent sign's number.
            let at = line.find('%').and_then(|at| line[..at].rfind(' ')).map_or(line.len(), |space| space + 1);
            let (amounts, use_of) = line.split_at(at);
            [(amounts.to_owned(), None), (use_of.to_owned(), level.map(colour)), ("\n".to_owned(), None)]
        })
        .collect();
    ui.out_coloured(&parts)
}

fn colour(level: Level) -> Colour {
    match level {
        Level::Low => Colour::Green,
        Level::Nearly => Colour::Yellow,
        Level::Spent => Colour::Red,
    }
}

/// Returns a bar that shows the use: `[######--------------]`.
fn bar(usage: &Usage) -> String {
    let parts = i128::try_from(BAR).unwrap_or(0);
    let filled = usage.used.nanos().saturating_mul(parts).checked_div(usage.total.nanos()).unwrap_or(parts);
    let filled = usize::try_from(filled).unwrap_or(0).min(BAR);
    format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR - filled))
}

#[cfg(test)]
mod tests {
    use cmp_core::account::Account;

    use super::*;
    use crate::ui::captured::Captured;
    use crate::ui::{Screen, Terminal};

    const WANT: &str = r#"{"type":"container","count":1,"size":{"cpu":"4","memory":"4Gi"}}"#;
    const HELD: &str = r#"{"uid":"u","type":"container","count":4,"size":{"cpu":"4","memory":"4Gi"},"state":"ready"}"#;

    fn shown(terminal: Terminal, rows: &[(&str, &str)], no_headers: bool) -> String {
        let quota = [("quota", r#"{"cpu":"16","memory":"20Gi"}"#)];
        let rows = quota.iter().chain(rows).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let account = Account::read("john".parse().unwrap(), "uid", &rows.collect()).unwrap();
        let captured = Captured::new();
        print_table(&captured.ui_of(terminal), &usages(&account).unwrap(), no_headers).unwrap();
        captured.data()
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let of = |columns| Terminal { screen: Some(Screen { columns, colours: false }), ..Terminal::default() };
        let all = [("want.web", WANT), ("held.web", HELD)];
        let plain = "RESOURCE   USED   AVAILABLE   TOTAL\ncpu        4      12          16\nmemory     4Gi    16Gi        20Gi\n";
        assert_eq!(shown(Terminal::default(), &all[..1], false), plain);
        let wide = "\
RESOURCE   USED   AVAILABLE   TOTAL   RELEASING   USE%   BAR
cpu        16     0           16      12          100%   [####################]
memory     16Gi   4Gi         20Gi    12Gi        80%    [################----]
";
        assert_eq!(shown(of(Some(80)), &all, false), wide);
        assert_eq!(shown(of(None), &all, false), wide);
        assert!(shown(of(Some(80)), &all, true).starts_with("cpu "));
        for (columns, widest) in [(79, "BAR"), (60, "USE%"), (53, "RELEASING")] {
            let text = shown(of(Some(columns)), &all, false);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(columns)), "{text}");
            assert!(text.lines().next().unwrap().ends_with(widest), "{text}");
        }
    }

    #[test]
    fn the_use_has_a_colour_where_the_terminal_has_colours() {
        let of = |colours| Terminal { screen: Some(Screen { columns: Some(60), colours }), ..Terminal::default() };
        let rows = |count: &str| ("want.web", WANT.replace("\"count\":1", &format!("\"count\":{count}")));
        let text = |count: &str| {
            let (key, want) = rows(count);
            shown(of(true), &[(key, &want)], true)
        };
        for (count, colours) in [("1", ["\x1b[32m25%", "\x1b[32m20%"]), ("4", ["\x1b[31m100%", "\x1b[33m80%"])] {
            let text = text(count);
            let mut lines = text.lines().zip(colours);
            assert!(lines.all(|(line, colour)| line.contains(colour) && line.ends_with("]\x1b[0m")), "{text:?}");
        }
        assert!(!shown(of(false), &[("want.web", WANT)], true).contains('\x1b'));
    }
}
