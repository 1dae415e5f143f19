//! `delete template`: deletes templates; instances that were made from them stay.

use clap::Args;

use cmp_client::ApiError;
use cmp_core::name::TemplateName;
use cmp_core::plan::describe;
use cmp_core::plan::template as plan;

use crate::args::values::name;
use crate::args::{DryRun, DryRunArgs, LineArgs, YesArg, suffix};
use crate::commands::shared::templates::{find, stored};
use crate::commands::shared::write_account::print_plan;
use crate::context::{Context, complete, each_said, once};
use crate::error::CliError;
use crate::output::said;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete template gpu")]
pub(crate) struct DeleteTemplate {
    /// The names of the templates
    #[arg(value_name = "NAME", required = true, value_parser = name::<TemplateName>)]
    pub(crate) names: Vec<TemplateName>,
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    #[command(flatten)]
    pub(crate) line: LineArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: DeleteTemplate) -> Result<(), CliError> {
    let DeleteTemplate { names, yes: YesArg { yes }, dry, line } = args;
    let names = once(names);
    plan::to_delete(&names)?;
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &TemplateName| {
        let name = name.clone();
        async move { find(context, name.as_str()).await }
    })
    .await?;
    let accounts = context.accounts().await?.list().await;
    // A caller without access to the accounts gets the refusal from the deletion.
    let accounts: Vec<_> = accounts.unwrap_or_default().into_iter().flatten().collect();
    let accounts: Vec<_> = accounts.iter().map(|stored| &stored.account).collect();
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    let goes = plan::goes(&names, &accounts);
    let deletions = names.iter().map(|name| describe::delete_template(name));
    print_plan(context.ui, dry.dry_run, || Ok(goes.iter().cloned().chain(deletions).collect()))?;
    if dry.dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    for found in &found {
        if dry.dry_run != DryRun::Client {
            let name =
                found.name.parse().map_err(|error: cmp_core::name::InvalidName| CliError::user(error.to_string()))?;
            match stored(context).await?.delete(&name, dry.dry_run == DryRun::Server).await {
                Err(ApiError::Refused { code: 404, .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let words = format!("deleted{}", suffix(dry.dry_run));
        said(context.ui, line.output, &format!("template/{}", found.name), &words)?;
    }
    complete(all_found)
}
