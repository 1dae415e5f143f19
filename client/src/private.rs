//! Files that only their owner can read: kubeconfigs with a token, and the mirror, which lists what every user runs.
//!
//! In a folder that others can write, such as `/tmp`, another user may have created the file. A symbolic link would
//! make this process write elsewhere with its own rights. A hard link, or a file of another user, would let that user
//! read the content.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file for writing, and creates it if needed, readable and writable by its owner alone. The content stays
/// until it is overwritten.
#[cfg(unix)]
pub fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let refused = |why: &str| Err(io::Error::other(why.to_owned()));
    let file = match without_links(path) {
        // The kernel only reports too many links. Say how to fix it.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return refused("it is a symbolic link: name the file itself");
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return refused("it is not a regular file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user: name another file");
    }
    if metadata.nlink() > 1 {
        return refused("it has another name (a hard link): name another file");
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Creates a new file, readable and writable by its owner alone. Fails if the path is a symbolic link, even a dangling
/// one.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a file without following a symbolic link, and without waiting for the reader of a pipe.
#[cfg(unix)]
fn without_links(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Opens a file where files have no mode: the folder decides who may read it.
#[cfg(not(unix))]
pub fn open(path: &Path) -> io::Result<File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A temporary folder, removed on drop.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("cmp-private-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_readable_by_its_owner_only() {
        let folder = Folder::new("mode");
        let path = folder.0.join("new");
        open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let created = folder.0.join("created");
        create(&created).unwrap();
        assert_eq!(mode(&created), 0o600);
        let older = folder.0.join("older");
        std::fs::write(&older, "older").unwrap();
        std::fs::set_permissions(&older, PermissionsExt::from_mode(0o644)).unwrap();
        open(&older).unwrap();
        assert_eq!((mode(&older), std::fs::read_to_string(&older).unwrap()), (0o600, "older".to_owned()));
    }

    #[test]
    fn links_are_refused() {
        let folder = Folder::new("links");
        let target = folder.0.join("target");
        std::fs::write(&target, "theirs").unwrap();
        let refused = |name: &str, expected: &str| {
            let error = open(&folder.0.join(name)).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        };
        symlink(&target, folder.0.join("link")).unwrap();
        refused("link", "it is a symbolic link");
        symlink(folder.0.join("nowhere"), folder.0.join("dangling")).unwrap();
        refused("dangling", "it is a symbolic link");
        assert_eq!(create(&folder.0.join("dangling")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!folder.0.join("nowhere").exists());
        std::fs::hard_link(&target, folder.0.join("other-name")).unwrap();
        refused("other-name", "it has another name");
        refused("", "s a directory");
        refused("no/such/folder", "No such file or directory");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "theirs");
    }
}
