//! `create cluster`: from flags, or from a file.

use std::path::PathBuf;

use clap::Args;

use cmp_core::account::{Variable, Want};
use cmp_core::first_boot::Files;
use cmp_core::name::{ClusterName, TemplateName, UserName};
use cmp_core::plan::amounts::Amount;
use cmp_core::plan::copy::{Base, Given};
use cmp_core::plan::create::{Disk, Flags, Origin, Wish};
use cmp_core::quantity::Quantity;
use cmp_core::resources::Resources;
use cmp_core::vocabulary::InstanceType;

use crate::args::pairs::pair;
use crate::args::values::{amount, count, data_disk, disk, image, kind, memory, name, port, quantity, variable};
use crate::args::{ChangeArgs, LoginWaitArgs, WaitArgs};
use crate::commands::shared::copy_cluster::base;
use crate::commands::shared::create_cluster::{ClusterRequest, Foreseen, create};
use crate::commands::shared::first_boot::{Keys, digests, read_files};
use crate::commands::shared::patch::Patch;
use crate::commands::shared::{cluster_file, objects};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl cmp create cluster NAME --cpu CPU --memory MEMORY [OPTIONS] [-- ARG...]\n       kubectl cmp create cluster NAME --from CLUSTER [OPTIONS]\n       kubectl cmp create cluster -f FILE [OPTIONS]",
    before_help = "Examples:\n  kubectl cmp create cluster web --cpu 2 --memory 4Gi --count 3\n  kubectl cmp create cluster job --cpu 1 --memory 1Gi --image alpine --command -- sh -c 'sleep 9'"
)]
pub(crate) struct CreateCluster {
    /// The name of the cluster; its namespace is <NAME>-ns
    #[arg(value_name = "NAME", required_unless_present = "filename", value_parser = name::<ClusterName>)]
    pub(crate) name: Option<ClusterName>,
    /// The CPU of each instance, such as 2 or 500m
    #[arg(long, value_name = "CPU", required_unless_present_any = ["filename", "from"], value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory of each instance, such as 4Gi
    #[arg(long, value_name = "MEMORY", required_unless_present_any = ["filename", "from"], value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// The number of instances; 1 by default
    #[arg(long, alias = "replicas", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: Option<u32>,
    /// The type of the instances: container (the default) or vm
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub(crate) kind: Option<InstanceType>,
    /// The template for the instances; `get templates` lists templates
    #[arg(long, value_name = "NAME", value_parser = name::<TemplateName>)]
    pub(crate) template: Option<TemplateName>,
    /// The image; by default that of the template; VMs: also https://...
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) image: Option<String>,
    /// Environment variable (repeatable); keep passwords in a Secret
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<Variable>,
    /// A port that the instances listen on (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port, allow_negative_numbers = true)]
    pub(crate) port: Vec<u16>,
    /// Use the arguments after -- as the program itself
    #[arg(long)]
    pub(crate) command: bool,
    /// A disk that survives a stop: at /data, or the root disk of a VM
    #[arg(long, value_name = "SIZE[:PATH]", value_parser = disk)]
    pub(crate) disk: Option<Disk>,
    /// A second disk for each VM that survives a stop; default path: /data
    #[arg(long, value_name = "SIZE[:PATH]", value_parser = data_disk)]
    pub(crate) data_disk: Option<Disk>,
    /// A cluster of VMs from whose root disks, size and form to start
    #[arg(long, value_name = "CLUSTER", value_parser = name::<ClusterName>, conflicts_with_all = ["template", "image", "env", "port",
        "command", "data_disk", "args"])]
    pub(crate) from: Option<ClusterName>,
    /// Further changes: a JSON Patch or merge patch of the Pod or VM
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) patch: Option<String>,
    /// Another resource, such as nvidia.com/gpu=1 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Labels of the cluster, such as app=web,tier=front (repeatable)
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = pair, value_delimiter = ',')]
    pub(crate) labels: Vec<(String, String)>,
    /// Arguments for the program of the instances
    #[arg(value_name = "ARG", last = true)]
    pub(crate) args: Vec<String>,
    /// Public keys for login to the VMs (repeatable); by default your own
    #[arg(long, value_name = "FILE|none")]
    pub(crate) ssh_key: Vec<PathBuf>,
    /// User data for cloud-init in the VMs
    #[arg(long, visible_alias = "user-data", value_name = "FILE")]
    pub(crate) cloud_init: Option<PathBuf>,
    /// Answer file for Windows in the VMs (unattend.xml)
    #[arg(long, value_name = "FILE")]
    pub(crate) sysprep: Option<PathBuf>,
    /// File as `get clusters -o yaml` prints it; - for standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["name", "cpu", "memory", "count", "kind", "template", "image",
        "env", "port", "command", "disk", "data_disk", "patch", "resource", "labels", "args", "ssh_key", "from"])]
    pub(crate) filename: Option<String>,
    /// The owner of the cluster (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: LoginWaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateCluster) -> Result<(), CliError> {
    let (wait, change) = (WaitArgs::from(args.wait.clone()), args.change.clone());
    match &args.filename {
        Some(path) => {
            let files = read_files(args.cloud_init.as_deref(), args.sysprep.as_deref())?;
            let mut asked = cluster_file::read(path, args.owner.as_ref())?;
            give(&files, &mut asked)?;
            let asked = asked.into_iter().map(|one| objects::ObjectRequest::Cluster(Box::new(one))).collect();
            objects::make(context, path, asked, &wait, &change).await
        }
        None => {
            // clap requires it if there is no file.
            let Some(name) = args.name.clone() else { return Err(CliError::internal("a name is missing")) };
            let base = match &args.from {
                Some(from) => Some(base(context, &name, from, args.owner.as_ref()).await?),
                None => None,
            };
            create(context, typed(name, base, args)?, &wait, &change, &mut Foreseen::default()).await
        }
    }
}

/// Converts the flags into a request, which may start from another cluster.
fn typed(name: ClusterName, base: Option<Base>, args: CreateCluster) -> Result<ClusterRequest, CliError> {
    let size = match (args.cpu, args.memory) {
        (Some(cpu), Some(memory)) => Resources::new(cpu, memory),
        // The size of the other cluster counts.
        _ if base.is_some() => Resources::default(),
        _ => return Err(CliError::internal("a size is missing")),
    };
    let mut flags = Flags {
        kind: args.kind,
        template: args.template,
        count: args.count,
        size,
        more: args.resource,
        disk: args.disk,
        data_disk: args.data_disk,
        image: args.image,
        env: args.env,
        ports: args.port,
        command: args.command,
        labels: args.labels,
        args: args.args,
        ..Flags::default()
    };
    // Files are read when the flags before them are known to be right. A copy is always of VMs.
    if base.is_none() {
        flags.kind()?;
    }
    flags.size()?;
    let files = read_files(args.cloud_init.as_deref(), args.sysprep.as_deref())?;
    [flags.cloud_init, flags.sysprep] = digests(&files);
    let keys = Keys::read(&args.ssh_key)?;
    let any_key = matches!(keys, Keys::NotGiven);
    if let Keys::Given(keys) = keys {
        flags.ssh_keys = keys;
    }
    let patch = args.patch.as_deref().map(Patch::read).transpose()?;
    flags.patch = patch.as_ref().map(|patch| patch.value.clone());
    let typed = args.kind.is_some();
    let wish = match base {
        Some(base) => {
            let given = Given { cpu: args.cpu, memory: args.memory, keys: !any_key };
            let (want, origin) = base.want(given, flags)?;
            // A copy has the keys of the other cluster, and not those of whoever copies it.
            Wish { files, origin, ..Wish::new(name, want, typed) }
        }
        None => {
            flags.check()?;
            Wish { any_key, files, origin: Origin::Flags, ..Wish::new(name, flags.want()?, typed) }
        }
    };
    Ok(ClusterRequest { wish, patch, owner: args.owner })
}

/// Gives each cluster of a file the files that it was created with.
fn give(files: &Files, asked: &mut [ClusterRequest]) -> Result<(), CliError> {
    let [cloud_init, sysprep] = digests(files);
    for (flag, digest, of) in [
        ("--cloud-init", &cloud_init, (|want| &want.cloud_init) as fn(&Want) -> &Option<String>),
        ("--sysprep", &sysprep, |want| &want.sysprep),
    ] {
        if digest.is_some() && !asked.iter().any(|one| of(&one.wish.want) == digest) {
            return Err(CliError::user(format!("{flag}: no cluster in the file was created with this content"))
                .hint("the content must be the same, byte for byte"));
        }
    }
    for Wish { want, files: given, .. } in asked.iter_mut().map(|one| &mut one.wish) {
        given.cloud_init = files.cloud_init.clone().filter(|_| want.cloud_init == cloud_init);
        given.sysprep = files.sysprep.clone().filter(|_| want.sysprep == sysprep);
    }
    Ok(())
}
