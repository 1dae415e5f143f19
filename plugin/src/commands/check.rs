//! `check`: tests whether cmp is installed correctly, whether it answers, and whether the accounts match the cluster.
//!
//! All probes are dry runs, so that nothing changes. A caller who is no administrator sees only their own objects.

use clap::Args;

use crate::args::ObjectArgs;
use crate::context::Context;
use crate::error::CliError;
use installation::Installation;
use report::{Check, Report};

mod accounts;
mod api_services;
mod cdi;
mod certificate;
mod cluster;
mod drain;
mod equal;
mod first_boot;
mod flow_control;
mod installation;
mod mirror;
mod own;
mod policies;
mod report;
mod rights;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp check --pre\n  kubectl cmp check\n  kubectl cmp check -o json")]
pub(crate) struct CheckArgs {
    /// Check only the requirements for installing cmp
    #[arg(long)]
    pub(crate) pre: bool,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: CheckArgs) -> Result<(), CliError> {
    let CheckArgs { pre, output } = args;
    let mut report = Report::new(context.ui, output.output);
    let user = context.who().await?.user.clone();
    let client = context.client().await?;
    report.add(cluster::version(&client).await)?;
    if let Some(user) = user {
        report.add_all(own::run_checks(context, &client, &user).await)?;
        report.note("the other checks need administrator rights")?;
        return report.end();
    }
    report.add(cluster::policies(&client).await)?;
    report.add(cluster::kubevirt(&client).await)?;
    report.add(cdi::cdi(&client).await)?;
    report.add_all(api_services::run_checks(&client).await)?;
    if pre {
        report.add_all(cluster::before_install(&client).await)?;
        return report.end();
    }
    let installation = match Installation::find(&client).await {
        Ok(Some(installation)) => installation,
        Ok(None) => {
            report.add(
                Check::failed("cmp", "it is not installed in this cluster")
                    .hint("`kubectl cmp check --pre` checks the requirements, `kubectl cmp install` installs cmp"),
            )?;
            return report.end();
        }
        Err(error) => {
            report.add(Check::of("cmp", Err(error)))?;
            return report.end();
        }
    };
    report.add_all(installation.run_checks(context).await)?;
    report.add_all(mirror::run_checks(&installation).await.into_iter().collect())?;
    report.add_all(certificate::run_checks(&installation).await.into_iter().collect())?;
    report.add_all(rights::run_checks(&installation).await)?;
    report.add(flow_control::run_check(&installation).await)?;
    report.add_all(policies::run_checks(context, &installation).await?)?;
    report.add_all(accounts::run_checks(&client).await)?;
    report.add_all(first_boot::run_checks(&client).await)?;
    report.add_all(drain::run_checks(&client).await.into_iter().collect())?;
    report.end()
}
