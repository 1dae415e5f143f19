//! `completion install`: creates the link that kubectl looks for, beside the plugin.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::{DryRun, DryRunArgs, suffix};
use crate::context::Context;
use crate::error::CliError;
use crate::platform;

/// The program that kubectl looks for to complete this plugin.
pub(crate) const NAME: &str = "kubectl_complete-cmp";

/// The name of the plugin's program.
const PLUGIN: &str = "kubectl-cmp";

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp completion install\n  kubectl cmp completion install --dir ~/.local/bin"
)]
pub(crate) struct CompletionInstall {
    /// The folder for the completion; by default the folder of kubectl-cmp
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

/// A link to create.
struct Link {
    /// The path of the link.
    at: PathBuf,
    /// The target of the link.
    to: PathBuf,
}

pub(crate) fn run(context: &Context<'_>, args: CompletionInstall) -> Result<(), CliError> {
    let CompletionInstall { dir, dry } = args;
    let running = std::env::current_exe()?;
    let link = link(&running, &folders(), dir);
    let word = make(&link, dry.dry_run)?;
    context.ui.line(&format!("{} {word}{}", link.at.display(), suffix(dry.dry_run)))?;
    let folder = link.at.parent().unwrap_or(&link.at);
    if !folders().iter().any(|path| same(path, folder)) {
        context.ui.note(&format!(
            "Warning: {} is not on the PATH, where kubectl looks for it: use --dir, or add it to the PATH",
            folder.display()
        ));
    }
    context.ui.note("hint: with kubectl's own completion, `kubectl cmp` is completed from now on: source <(kubectl completion bash)");
    Ok(())
}

/// Returns the file name of a program.
fn file(program: &str) -> String {
    format!("{program}{}", std::env::consts::EXE_SUFFIX)
}

/// Returns the folders of the PATH.
fn folders() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

fn same(left: &Path, right: &Path) -> bool {
    left == right || fs::canonicalize(left).is_ok_and(|left| fs::canonicalize(right).is_ok_and(|right| left == right))
}

/// Chooses the link beside the plugin as kubectl finds it. The file that kubectl finds may itself be a link: krew's
/// link points to another version after each upgrade.
fn link(running: &Path, folders: &[PathBuf], dir: Option<PathBuf>) -> Link {
    let found = folders.iter().find(|folder| same(&folder.join(file(PLUGIN)), running));
    let beside = found.map(PathBuf::as_path).or(running.parent()).unwrap_or(Path::new("."));
    match dir {
        Some(dir) if !same(&dir, beside) => {
            let plugin = found.map_or_else(|| running.to_owned(), |folder| folder.join(file(PLUGIN)));
            Link { at: dir.join(file(NAME)), to: std::path::absolute(&plugin).unwrap_or(plugin) }
        }
        _ => {
            // A relative target stays valid if both are moved together.
            let to = if found.is_some() { Some(file(PLUGIN).into()) } else { running.file_name().map(PathBuf::from) };
            Link { at: beside.join(file(NAME)), to: to.unwrap_or_else(|| running.to_owned()) }
        }
    }
}

/// Creates the link, and returns the word for the change. Only a link is ever replaced.
fn make(link: &Link, dry_run: DryRun) -> Result<&'static str, CliError> {
    let Link { at, to } = link;
    let failed = |error: std::io::Error| {
        let error_of = CliError::user(format!("{}: {error}", at.display()));
        match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory => {
                error_of.hint("name a folder of the PATH that you may write to: --dir ~/.local/bin")
            }
            _ => error_of,
        }
    };
    let word = match fs::symlink_metadata(at) {
        Ok(there) if there.is_symlink() => {
            if fs::read_link(at).map_err(failed)? == *to {
                return Ok("unchanged (already installed)");
            }
            "configured"
        }
        Ok(_) => {
            return Err(CliError::user(format!("{} already exists, and kubectl cmp did not create it", at.display()))
                .hint("remove the file, or name another folder with --dir"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => "created",
        Err(error) => return Err(failed(error)),
    };
    if dry_run != DryRun::None {
        return Ok(word);
    }
    // Create the new link under another name and rename it, so that a link exists at all times.
    let new = at.with_extension(format!("new-{}", std::process::id()));
    platform::link(to, &new).map_err(failed)?;
    if let Err(error) = fs::rename(&new, at) {
        fs::remove_file(&new).ok();
        return Err(failed(error));
    }
    Ok(word)
}
