//! The flags of `create cluster`, and the want that they describe.

use serde_json::Value;

use crate::account::{Variable, Want};
use crate::disk_source;
use crate::labels::Field;
use crate::name::TemplateName;
use crate::plan::amounts::{Amount, own, with_more};
use crate::plan::label::invalid;
use crate::plan::refusal::Refusal;
use crate::quantity::Quantity;
use crate::resources::{Resources, STORAGE};
use crate::template::{NOT_A_REFERENCE, built_in_type, is_reference};
use crate::vocabulary::InstanceType;
use crate::web_image;

/// A disk for each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The size of the disk.
    pub size: Quantity,
    /// The path at which the disk is mounted, if one is given.
    pub path: Option<String>,
}

impl Disk {
    /// The path at which a disk is mounted if none is given.
    const PATH: &str = "/data";

    /// Returns the path at which the disk is mounted.
    pub fn mount_path(self) -> String {
        self.path.unwrap_or_else(|| Self::PATH.to_owned())
    }
}

/// The values of the flags.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flags {
    /// `--type`.
    pub kind: Option<InstanceType>,
    /// `--template`.
    pub template: Option<TemplateName>,
    /// `--count`.
    pub count: Option<u32>,
    /// `--cpu` and `--memory`.
    pub size: Resources,
    /// `--resource`.
    pub more: Vec<Amount>,
    /// `--disk`.
    pub disk: Option<Disk>,
    /// `--data-disk`.
    pub data_disk: Option<Disk>,
    /// `--image`.
    pub image: Option<String>,
    /// The keys in the files of `--ssh-key`.
    pub ssh_keys: Vec<String>,
    /// The digest of the file of `--cloud-init`.
    pub cloud_init: Option<String>,
    /// The digest of the file of `--sysprep`.
    pub sysprep: Option<String>,
    /// `--env`.
    pub env: Vec<Variable>,
    /// `--port`.
    pub ports: Vec<u16>,
    /// `--command`: the arguments are the program itself.
    pub command: bool,
    /// The arguments after `--`.
    pub args: Vec<String>,
    /// The value of `--patch`.
    pub patch: Option<Value>,
    /// `--labels`.
    pub labels: Vec<(String, String)>,
}

/// Refuses a type that differs from that of the template.
pub(super) fn other_type(given: InstanceType, template: InstanceType) -> Refusal {
    Refusal::wish(format!("--type {given}: the template is of type {template}"))
        .hint("omit --type: the template determines the type")
}

/// Refuses a mount path for a root disk.
fn mounted(size: Quantity, path: &str) -> Refusal {
    Refusal::wish(format!("--disk {size}:{path}: the disk of a VM is its root disk"))
        .hint("leave out the path, or use --data-disk for a disk that is mounted")
}

/// Checks that an image on a web server is for a root disk that stays: neither a node nor KubeVirt downloads it.
pub(super) fn image_fits(want: &Want) -> Result<(), Refusal> {
    let Some(image) = want.image.as_ref().filter(|image| web_image::is_address(image)) else { return Ok(()) };
    if want.kind == InstanceType::Container {
        return Err(Refusal::wish(format!("--image {image}: the image of a container is in a registry"))
            .hint("use --type vm with --disk for an image on a web server"));
    }
    if want.root_disk.is_none() {
        return Err(Refusal::wish(format!(
            "--image {image}: an image on a web server needs --disk, the disk that CDI fills"
        ))
        .hint("add --disk with a size, such as --disk 20Gi, or use an image in a registry (a containerDisk)"));
    }
    Ok(())
}

/// Refuses an address from which no disk is filled. The refusal shows no more of the address than its rule.
fn no_image(wrong: &web_image::Wrong) -> Refusal {
    let refusal = Refusal::wish(format!("--image: the address {wrong}"));
    match wrong {
        web_image::Wrong::User | web_image::Wrong::Parameter(_) | web_image::Wrong::Inside(_) => {
            refusal.hint("ask an administrator for a template with this image, which your VMs clone")
        }
        web_image::Wrong::Scheme | web_image::Wrong::Form => refusal,
    }
}

/// Makes the disk of a want that was taken for one of containers the root disk, because the template is of VMs.
pub(super) fn to_root_disk(want: &mut Want) -> Result<(), Refusal> {
    let Some(path) = want.disk.take() else { return Ok(()) };
    if path != Disk::PATH {
        return Err(mounted(want.size.named(STORAGE).unwrap_or(Quantity::ZERO), &path));
    }
    want.root_disk = Some(disk_source::of(want.image.as_deref()).to_owned());
    Ok(())
}

impl Flags {
    /// Returns the type of a built-in template, if one is named.
    fn built_in(&self) -> Option<InstanceType> {
        self.template.as_ref().and_then(|name| built_in_type(name.as_str()))
    }

    /// Returns the type of the instances. A stored template may still decide another one.
    pub fn kind(&self) -> Result<InstanceType, Refusal> {
        match (self.kind, self.built_in()) {
            (Some(given), Some(built_in)) if given != built_in => Err(other_type(given, built_in)),
            (given, built_in) => Ok(given.or(built_in).unwrap_or(InstanceType::Container)),
        }
    }

    /// Returns the size of each instance, with the storage of its disk.
    pub fn size(&self) -> Result<Resources, Refusal> {
        let mut size = with_more(self.size.clone(), &self.more)?;
        if self.disk.is_some() && self.data_disk.is_some() {
            return Err(Refusal::wish("--disk and --data-disk: both set the storage of an instance")
                .hint("use one of them: a root disk of --disk stays, too"));
        }
        let disks = [("--disk", &self.disk), ("--data-disk", &self.data_disk)];
        for (flag, disk) in disks.into_iter().filter_map(|(flag, disk)| Some((flag, disk.as_ref()?))) {
            if size.named(STORAGE).is_some() {
                return Err(Refusal::wish(format!(
                    "{flag} and --resource storage: both set the storage of an instance"
                ))
                .hint(format!("use {flag} for a disk in each instance, --resource storage for claims of your own")));
            }
            size.set(own(STORAGE)?, disk.size);
        }
        Ok(size)
    }

    /// Checks that the flags fit the type and each other.
    pub fn check(&self) -> Result<(), Refusal> {
        let vm = self.kind()? == InstanceType::Vm;
        let only = |given: bool, flag: &str, vms: bool| {
            if !given || vm == vms {
                return Ok(());
            }
            let (of, use_it) = if vms { ("VMs", "--type vm") } else { ("containers", "--type container") };
            Err(Refusal::wish(format!("{flag} is for {of}")).hint(format!("use {use_it}, or omit the flag")))
        };
        only(!self.ssh_keys.is_empty(), "--ssh-key", true)?;
        only(self.cloud_init.is_some(), "--cloud-init", true)?;
        only(self.sysprep.is_some(), "--sysprep", true)?;
        only(!self.env.is_empty(), "--env", false)?;
        only(!self.ports.is_empty(), "--port", false)?;
        only(self.command || !self.args.is_empty(), "a command", false)?;
        only(self.data_disk.is_some(), "--data-disk", true)?;
        if let Some(Disk { size, path: Some(path) }) = self.disk.as_ref().filter(|_| vm) {
            return Err(mounted(*size, path));
        }
        if self.command && self.args.is_empty() {
            return Err(Refusal::wish("--command: the command is missing")
                .hint("write the command at the end, after --, as in: --command -- sh -c 'sleep 9'"));
        }
        match self.image.as_ref() {
            Some(address) if web_image::is_address(address) => {
                web_image::check(address).map_err(|wrong| no_image(&wrong))?;
            }
            Some(image) if !is_reference(image) => {
                return Err(Refusal::wish(format!("Invalid image name {image:?}: {NOT_A_REFERENCE}")));
            }
            _ => {}
        }
        for (at, variable) in self.env.iter().enumerate() {
            if self.env.iter().take(at).any(|earlier| earlier.name == variable.name) {
                return Err(
                    Refusal::wish(format!("--env {} is given twice", variable.name)).hint("give each variable once")
                );
            }
        }
        for (at, (key, value)) in self.labels.iter().enumerate() {
            Field::Labels.check(key, value).map_err(|wrong| invalid(&wrong))?;
            if self.labels.iter().take(at).any(|(earlier, _)| earlier == key) {
                return Err(Refusal::wish(format!("--labels {key} is given twice")).hint("give each label once"));
            }
        }
        Ok(())
    }

    /// Returns the want that the flags describe.
    pub fn want(self) -> Result<Want, Refusal> {
        let (kind, size, built_in) = (self.kind()?, self.size()?, self.built_in());
        self.check()?;
        let mut keys = self.ssh_keys.into_iter();
        let ssh_key = keys.next();
        let mut more_ssh_keys: Vec<String> = Vec::new();
        for key in keys.filter(|key| Some(key) != ssh_key.as_ref()) {
            if !more_ssh_keys.contains(&key) {
                more_ssh_keys.push(key);
            }
        }
        let vm = kind == InstanceType::Vm;
        let (disk, root_disk) = if vm {
            (None, self.disk.map(|_| disk_source::of(self.image.as_deref()).to_owned()))
        } else {
            (self.disk, None)
        };
        let (command, args) = if self.command { (self.args, Vec::new()) } else { (Vec::new(), self.args) };
        Ok(Want {
            image: self.image,
            ssh_key,
            more_ssh_keys,
            cloud_init: self.cloud_init,
            sysprep: self.sysprep,
            command,
            args,
            env: self.env,
            ports: self.ports,
            disk: disk.map(Disk::mount_path),
            data_disk: self.data_disk.map(Disk::mount_path),
            root_disk,
            patch: self.patch,
            labels: self.labels.into_iter().collect(),
            // A built-in template is the default and needs no name.
            template: self.template.filter(|_| built_in.is_none()),
            ..Want::new(kind, self.count.unwrap_or(1), size)
        })
    }
}
