//! The host keys of VMs: a file for each VM, which ssh writes.
//!
//! A VM that is created again has another uid, and so another file. Its new key is no surprise then, and ssh prints no
//! warning about it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cmp_client::private;
use cmp_core::name::InstanceName;

use crate::error::CliError;
use crate::platform::private_folder;

/// The file with the host keys of one machine.
#[derive(Debug)]
pub(crate) struct HostKeys {
    pub(crate) path: PathBuf,
    /// Whether the keys of an earlier machine of this name were known. They are forgotten.
    pub(crate) replaced: bool,
}

/// Returns the file for a machine behind an API server. The file exists afterwards.
pub(crate) fn of(server: &str, name: &InstanceName, uid: &str) -> Result<HostKeys, CliError> {
    let hint = "the host keys of VMs are in kubectl-cmp/known_hosts below $XDG_CONFIG_HOME, or ~/.config";
    let Some(config) = config() else {
        return Err(CliError::user("there is no folder for the host keys of VMs: HOME is not set").hint(hint));
    };
    let folder = config.join("kubectl-cmp").join("known_hosts").join(plain(server));
    let kept = keep(&folder, name, uid);
    kept.map_err(|error| CliError::from(error).about(&folder.display().to_string()).hint(hint))
}

/// Returns the folder for files of the user that last.
fn config() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config")))
}

/// Replaces all characters that mean something in a path.
fn plain(text: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || "-.".contains(letter) { letter } else { '_' };
    format!("_{}", text.chars().map(safe).collect::<String>())
}

/// Creates the file of a machine, and removes those of earlier machines of that name.
fn keep(folder: &Path, name: &InstanceName, uid: &str) -> io::Result<HostKeys> {
    private_folder(folder)?;
    let file = format!("{name}.{}", plain(uid));
    let mut replaced = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let of_it = entry
            .file_name()
            .to_str()
            .is_some_and(|other| other != file && other.split_once('.').is_some_and(|(of, _)| of == name.to_string()));
        if of_it {
            replaced |= entry.metadata()?.len() > 0;
            fs::remove_file(entry.path())?;
        }
    }
    let path = folder.join(file);
    private::open(&path)?;
    Ok(HostKeys { path, replaced })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_machine_that_is_created_again_has_another_file() {
        let folder = std::env::temp_dir().join(format!("cmp-host-keys-{}", std::process::id()));
        let [zero, ten]: [InstanceName; 2] = ["dev-0", "dev-10"].map(|name| name.parse().unwrap());
        let first = keep(&folder, &zero, "a").unwrap();
        assert!(!first.replaced);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&first.path, "key").unwrap();
        let again = keep(&folder, &zero, "a").unwrap();
        assert!(!again.replaced && fs::read(&again.path).unwrap() == b"key");
        // Another machine with a similar name keeps its key.
        let other = keep(&folder, &ten, "c").unwrap();
        fs::write(&other.path, "key").unwrap();
        let created_again = keep(&folder, &zero, "b").unwrap();
        assert!(created_again.replaced && created_again.path != first.path && !first.path.exists());
        // No key was known yet.
        assert!(!keep(&folder, &zero, "../d/..").unwrap().replaced);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert_eq!(fs::read(&other.path).unwrap(), b"key");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_name_of_a_file_has_nothing_of_a_path_in_it() {
        assert_eq!(plain("https://127.0.0.1:6443"), "_https___127.0.0.1_6443");
        assert_eq!((plain(".."), plain("")), ("_..".to_owned(), "_".to_owned()));
    }
}
