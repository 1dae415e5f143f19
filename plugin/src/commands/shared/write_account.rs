//! The write of an account, planned anew for each version of it. It also prints a dry run: the plan, and the quota that
//! would result.

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::update::{Update, Updated};
use cmp_core::account::Account;
use cmp_core::name::ClusterName;
use cmp_core::plan::{Outcome, Refusal, Write};

use crate::args::DryRun;
use crate::context::MANAGER;
use crate::error::CliError;
use crate::ui::Ui;

/// Writes an account. On a conflict with another writer, the write is planned anew on the newer version.
pub(crate) async fn write(
    accounts: &Accounts,
    stored: Stored,
    dry_run: DryRun,
    mut plan: impl FnMut(&Account) -> Result<Write, Refusal>,
) -> Result<Updated, CliError> {
    // The plan has judged the write.
    let update = Update { manager: MANAGER, dry_run: dry_run.into() };
    accounts.update(stored, update, |read| Ok::<_, CliError>(plan(&read.account)?.change)).await
}

/// Prints the quota that would result, if this is a dry run. `account` is the account after the write.
pub(crate) fn print_outcome<'a>(
    ui: &Ui,
    dry_run: DryRun,
    account: &Account,
    changed: impl IntoIterator<Item = &'a ClusterName>,
) {
    if let Some(outcome) = Some(account).filter(|_| dry_run != DryRun::None).and_then(|it| Outcome::of(it, changed)) {
        ui.note(&outcome.to_string());
    }
}

/// Prints the lines of a plan, if this is a client dry run. A server dry run prints the answer of the server only.
pub(crate) fn print_plan(
    ui: &Ui,
    dry_run: DryRun,
    lines: impl FnOnce() -> Result<Vec<String>, Refusal>,
) -> Result<(), CliError> {
    let lines = if dry_run == DryRun::Client { lines()? } else { Vec::new() };
    if !lines.is_empty() {
        ui.note("plan:");
    }
    for line in &lines {
        ui.note(&format!("  {line}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::captured::Captured;

    #[test]
    fn only_a_client_dry_run_prints_the_plan() {
        let lines = ["create web-0".to_owned(), "wait".to_owned()];
        let all = &lines[..];
        for (dry_run, lines, expected) in [
            (DryRun::None, all, ""),
            (DryRun::Server, all, ""),
            (DryRun::Client, all, "plan:\n  create web-0\n  wait\n"),
            (DryRun::Client, &[], ""),
        ] {
            let captured = Captured::new();
            print_plan(&captured.ui(), dry_run, || Ok(lines.to_vec())).unwrap();
            assert_eq!((captured.data(), captured.notes().as_str()), (String::new(), expected), "{dry_run:?}");
        }
    }

    #[test]
    fn only_a_dry_run_prints_the_quota_that_would_result() {
        let want = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#;
        let data = [("quota", r#"{"cpu":"16","memory":"64Gi"}"#), ("want.web", want)];
        let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let account = Account::read("john".parse().unwrap(), "uid", &data).unwrap();
        let note = "quota: john would use cpu=6 of 16, memory=12Gi of 64Gi\n";
        for (dry_run, expected) in [(DryRun::None, ""), (DryRun::Client, note), (DryRun::Server, note)] {
            let captured = Captured::new();
            print_outcome(&captured.ui(), dry_run, &account, [&"web".parse().unwrap()]);
            assert_eq!((captured.data(), captured.notes().as_str()), (String::new(), expected), "{dry_run:?}");
        }
    }
}
