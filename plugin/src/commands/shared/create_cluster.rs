//! Creation of a cluster: the whole cluster is requested in one write and judged as a whole; then its instances are
//! created.

use std::collections::VecDeque;

use jiff::Timestamp;

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::{data_volumes, kubevirt};
use cmp_core::account::{Account, Want};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::create::{self, Extent, Step, Wish};
use cmp_core::plan::describe;
use cmp_core::plan::loss;
use cmp_core::plan::schedule;
use cmp_core::template::Blueprint;
use cmp_core::vocabulary::InstanceType;

use crate::args::{ChangeArgs, DryRun, WaitArgs};
use crate::commands::shared::cost::{print_cost, with_cost};
use crate::commands::shared::first_boot::{own_key, write_secrets};
use crate::commands::shared::login;
use crate::commands::shared::make_instances::{existing, has_none, make_instances, running, try_first};
use crate::commands::shared::patch::Patch;
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::templates;
use crate::commands::shared::write_account::{print_plan, write};
use crate::context::Context;
use crate::error::CliError;

/// A cluster that the user asks for.
pub(crate) struct ClusterRequest {
    pub(crate) wish: Wish,
    /// The patch of the want, as it was typed.
    pub(crate) patch: Option<Patch>,
    /// The requested owner, if one is given.
    pub(crate) owner: Option<UserName>,
}

/// The accounts as the dry runs of this command leave them. The next dry run is judged on top of them, because the real
/// command changes one account several times.
#[derive(Default)]
pub(crate) struct Foreseen(Vec<Account>);

impl Foreseen {
    fn of(&self, user: &UserName) -> Option<&Account> {
        self.0.iter().find(|account| account.user == *user)
    }

    fn set(&mut self, account: Account) {
        self.0.retain(|other| other.user != account.user);
        self.0.push(account);
    }
}

pub(crate) async fn create(
    context: &Context<'_>,
    asked: ClusterRequest,
    wait: &WaitArgs,
    change: &ChangeArgs,
    foreseen: &mut Foreseen,
) -> Result<(), CliError> {
    let ClusterRequest { wish, patch, owner } = asked;
    context.check_namespace(&wish.name)?;
    let template = templates::of(context, &wish.want).await?;
    let wish = create::of_template(wish, template.kind())?;
    let (wish, room) = create::with_room(wish, &template)?;
    let kind = wish.want.kind;
    login::only_vms(Some(kind), wait).map_err(|error| error.hint("use --type vm, or --wait"))?;
    let can_run = kind == InstanceType::Container || kubevirt::installed(&context.client().await?).await?;
    create::can_run(kind, can_run)?;
    let keeps_roots = wish.want.root_disk.is_some();
    create::can_keep_roots(&wish.want, keeps_roots && data_volumes::installed(&context.client().await?).await?)?;
    let blueprint = templates::blueprint(&template, &wish.want, patch.as_ref())?;
    let is_ephemeral = blueprint.is_ephemeral();
    let user = context.account_of(owner.as_ref()).await?;
    let accounts = context.accounts().await?;
    let mut stored = context.account(&user).await?;
    let extent = Extent { dry_run: change.dry.dry_run != DryRun::None, wait: wait.wait };
    let before = foreseen.of(&user).unwrap_or(&stored.account).clone();
    let wish = with_own_key(context, wish, &blueprint, &before);
    let corrects = create::may_correct(&wish, &before, Timestamp::now());
    let wish = Wish { unmade: corrects && has_none(context, &wish.name, kind).await?, ..wish };
    let plan = create::plan(&wish, &before, extent, Timestamp::now());
    let plan = with_cost(context, plan, &wish.name, async || Some(wish.want.clone())).await?;
    context.ui.notes(room.filter(|_| plan.is_new()).as_slice());
    if is_ephemeral && plan.is_new() {
        context.ui.note(&loss::at_creation(&wish.name, wish.want.data_disk.as_deref()));
    }
    print_plan(context.ui, change.dry.dry_run, || Ok(describe::create(&plan)))?;
    let (name, mut want, mut made, mut there) = (&wish.name, plan.want.clone(), 0, Vec::new());
    let mut steps = VecDeque::from(plan.steps.clone());
    while let Some(step) = steps.pop_front() {
        match step {
            Step::TellExpiredTimer(transition) => {
                context.ui.notes(&schedule::timer_left_out(name, &want, transition));
            }
            Step::Try { open } => {
                if change.dry.dry_run != DryRun::Client {
                    let asked = plan.written(&plan.write.account);
                    let blueprint = templates::blueprint(&template, &asked, patch.as_ref())?;
                    write_secrets(context, name, &asked, &wish.files, true).await?;
                    try_first(context, name, asked.kind, open, &blueprint, &wish.off).await?;
                }
            }
            Step::Write => {
                let wish = Wish { want: want.clone(), ..wish.clone() };
                let written = write_want(context, &accounts, stored, &wish, change.dry.dry_run).await;
                stored = with_cost(context, written, &wish.name, async || Some(wish.want.clone())).await?;
                if extent.dry_run {
                    stored.account = plan.write.account.clone();
                    foreseen.set(stored.account.clone());
                }
                want = plan.written(&stored.account);
                if !extent.dry_run {
                    context.ui.goes_on(
                        format!("cluster {name} has its quota, and its instances may not exist yet"),
                        format!("the same command continues; kubectl cmp delete cluster {name} gives the quota back"),
                    );
                }
                steps.extend(plan.after_write(&stored.account));
            }
            Step::Prepare => prepared(context.ui, &accounts, &user, name, &want, wait.limit()).await?,
            Step::Make { look } => {
                if look {
                    there = existing(context, name, want.kind).await?;
                }
                write_secrets(context, name, &want, &wish.files, false).await?;
                let blueprint = templates::blueprint(&template, &want, patch.as_ref())?;
                made = make_instances(context, name, want.count, &blueprint, &there, &wish.off).await?;
            }
            Step::Run(names) => {
                let names = create::awaited(&names, &there);
                if !names.is_empty() {
                    running(context, name, want.kind, names.clone(), wait.limit()).await?;
                    if let Some(port) = wait.ssh {
                        login::answers(context, names, port, wait.limit()).await?;
                    }
                }
            }
            Step::TellOff(line) => context.ui.note(&line),
        }
    }
    if extent.dry_run && !plan.is_new() {
        made = missing(context, name, &want).await?;
    }
    if !extent.dry_run && change.prints_objects() {
        stored = accounts.get(&user).await?;
    }
    print_cluster_change(context, &stored, name, plan.word(made), change).await?;
    print_cost(context, change.dry.dry_run, name, before.cluster(name).want.as_ref(), &stored).await;
    Ok(())
}

/// Returns the number of instances that the real command would make. An owner who may not list them sees none missing.
async fn missing(context: &Context<'_>, name: &ClusterName, want: &Want) -> Result<usize, CliError> {
    match existing(context, name, want.kind).await {
        Ok(there) => Ok(usize::try_from(want.count).unwrap_or(usize::MAX).saturating_sub(there.len())),
        Err(error) if error.is_forbidden() => Ok(0),
        Err(error) => Err(error),
    }
}

/// Adds the user's own key to a new cluster of VMs of the built-in template, and says so, if no key was named. A VM with
/// a first boot of its own stays as it is.
fn with_own_key(context: &Context<'_>, wish: Wish, blueprint: &Blueprint, account: &Account) -> Wish {
    let Wish { name, want, .. } = &wish;
    // The user's file for cloud-init and the data disk are no reason against the key: all are merged.
    let merged = want.cloud_init.is_some() || want.data_disk.is_some();
    let bare = merged && want.sysprep.is_none() || blueprint.has_no_first_boot();
    let new = account.cluster(name).want.is_none();
    if !wish.any_key || !new || !bare || want.template.is_some() || want.kind != InstanceType::Vm {
        return wish;
    }
    let Some((path, key)) = own_key(std::env::home_dir()) else { return wish };
    context.ui.note(&format!("using the SSH key {} (--ssh-key none for no key)", path.display()));
    let want = Want { ssh_key: Some(key), ..want.clone() };
    Wish { want, ..wish }
}

/// Writes the want. An account that is not settled yet refuses it for a moment.
async fn write_want(
    context: &Context<'_>,
    accounts: &Accounts,
    stored: Stored,
    wish: &Wish,
    dry_run: DryRun,
) -> Result<Stored, CliError> {
    let mut again = false;
    let written = write(accounts, stored, dry_run, |account| {
        if std::mem::replace(&mut again, true) && !account.is_settled() {
            context.verbose("waiting for the account to be settled");
        }
        create::write(wish, account, Timestamp::now())
    });
    Ok(written.await?.stored)
}
