//! The user's editor, as `kubectl edit` runs it, and the file that it opens.

use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use cmp_client::private;

use crate::error::CliError;
use crate::{escape, files, platform};

/// The variables that name the editor, the first one before the second.
const VARIABLES: [&str; 2] = ["KUBE_EDITOR", "EDITOR"];

/// The number of names that are tried for a file.
const TRIES: u32 = 16;

/// The comment on top of the file, in kubectl's words.
const ABOUT: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,\n\
                     # and an empty file will abort the edit. If an error occurs while saving this file will be\n\
                     # reopened with the relevant failures.\n#\n";

/// A file that is edited. Its owner alone reads it.
pub(crate) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Creates an empty file in the folder of temporary files.
    pub(crate) fn create(ending: &str) -> io::Result<Self> {
        let random = std::hash::RandomState::new();
        let mut tried = Err(io::Error::from(io::ErrorKind::AlreadyExists));
        for at in 0..TRIES {
            let name = format!("kubectl-cmp-edit-{:016x}.{ending}", random.hash_one(at));
            let path = std::env::temp_dir().join(name);
            // A new file is no link of somebody else.
            tried = private::create(&path).map(|_| Self { path });
            if !matches!(&tried, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        tried
    }

    /// Lets the user edit a text, and returns the saved one.
    pub(crate) fn edit(&self, text: &str) -> Result<String, CliError> {
        fs::write(&self.path, text)?;
        let named = |variable| std::env::var(variable).ok().filter(|editor: &String| !editor.trim().is_empty());
        let editor = VARIABLES.into_iter().find_map(named).unwrap_or_else(|| platform::EDITOR.to_owned());
        let wrong = |why: String| {
            CliError::user(format!("there was a problem with the editor {editor:?}: {why}"))
                .hint("$KUBE_EDITOR or $EDITOR names the editor, with its flags")
        };
        match run(&editor, &self.path) {
            Ok(status) if status.success() => Ok(files::read(&self.path, files::OBJECT)?),
            Ok(status) => Err(wrong(status.to_string())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Removes the file.
    pub(crate) fn remove(self) {
        // A file that is left in the folder of temporary files does no harm.
        fs::remove_file(&self.path).ok();
    }

    /// Keeps the file, and says in the error where it is.
    pub(crate) fn keep(self, error: CliError) -> CliError {
        error.followed_by(&format!("A copy of your changes has been stored to {:?}", self.path.display().to_string()))
    }
}

/// Runs the editor on a file until the user ends it.
#[expect(clippy::disallowed_methods, reason = "a person edits for as long as they like, and ends the editor")]
fn run(editor: &str, path: &Path) -> io::Result<ExitStatus> {
    platform::edits(editor, path).status()
}

/// Returns the text to edit: the object, below the comment about it and the error that it was answered with.
pub(crate) fn commented(title: &str, error: Option<&CliError>, object: &str) -> String {
    let mut text = ABOUT.to_owned();
    if let Some(error) = error {
        text.push_str(&format!("# {} was not valid:\n# * {}\n", escape::line(title), escape::line(error.message())));
        for hint in error.hints() {
            text.push_str(&format!("#   hint: {}\n", escape::line(hint)));
        }
        text.push_str("#\n");
    }
    text.push_str(object);
    text
}

/// Returns the text below the comment.
pub(crate) fn without_comment(text: &str) -> &str {
    let is_comment = |line: &&str| line.starts_with('#') || line.trim().is_empty();
    let comment: usize = text.split_inclusive('\n').take_while(is_comment).map(str::len).sum();
    text.get(comment..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_comment_is_above_the_object_and_goes_again() {
        let object = "kind: Cluster\n# mine\nspec: {}\n";
        let first = commented("cluster/web", None, object);
        assert!(first.starts_with("# Please edit the object below.") && first.ends_with(&format!("#\n{object}")));
        let error = CliError::user("spec.count\nis wrong").hint("use 1");
        let again = commented("cluster/web", Some(&error), object);
        let expected = format!("# cluster/web was not valid:\n# * spec.count\\nis wrong\n#   hint: use 1\n#\n{object}");
        assert!(again.ends_with(&expected), "{again}");
        assert_eq!((without_comment(&first), without_comment(&again)), (object, object));
        for empty in ["", "\n", "# a\n\n# b\n", "# a"] {
            assert_eq!(without_comment(empty), "");
        }
        assert_eq!(without_comment("a: b"), "a: b");
    }

    #[test]
    fn the_words_of_an_editor_are_split_by_a_shell() {
        let draft = Draft::create("yaml").unwrap();
        fs::write(&draft.path, "a: b\n").unwrap();
        assert_eq!(fs::metadata(&draft.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(run("sed -i -e 's/b/c d/'", &draft.path).unwrap().success());
        assert_eq!(fs::read_to_string(&draft.path).unwrap(), "a: c d\n");
        assert!(!run("false", &draft.path).unwrap().success());
        let path = draft.path.clone();
        let error = draft.keep(CliError::user("too much").hint("less"));
        let expected = format!(
            "error: too much. A copy of your changes has been stored to {:?}\nhint: less\n",
            path.display().to_string()
        );
        assert_eq!(error.text(), expected);
        assert!(path.exists());
        Draft { path: path.clone() }.remove();
        assert!(!path.exists());
    }
}
