//! `create user`: the steps, the word for the result, and the credential.

use crate::name::UserName;
use crate::vocabulary::DryRun;

/// The result of `create user` for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The account is new.
    Created,
    /// The account exists, and is as wished.
    Unchanged,
    /// A deletion that was begun is taken back.
    Configured,
}

impl Word {
    /// Returns the word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Unchanged => "unchanged",
            Self::Configured => "configured",
        }
    }
}

/// Returns the word for the write of an account that exists.
pub fn word(changed: bool) -> Word {
    if changed { Word::Configured } else { Word::Unchanged }
}

/// How a user is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How far the plan is carried out.
    pub dry_run: DryRun,
    /// Whether the user may get a credential. A user that is read from a file gets none.
    pub credential: bool,
    /// Whether a file for the kubeconfig is named.
    pub has_file: bool,
    /// Whether the user is printed as an object.
    pub has_output: bool,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Open the file of the kubeconfig. A file that cannot be written must not leave a user without a kubeconfig.
    OpenKubeconfig,
    /// Create the account, or find an equal one. [`after_account`] returns the steps that follow.
    CreateAccount,
    /// Create the ServiceAccount, and its right to its own account and to nothing else.
    GiveRights,
    /// Wait for the first reconcile of the account. A user whose account is not settled in time gets a warning only.
    Settle,
    /// Make a token, and a kubeconfig with it.
    MakeKubeconfig,
    /// Write the kubeconfig to its file.
    WriteKubeconfig,
    /// Print the kubeconfig after a comment with this word.
    PrintKubeconfig(Word),
    /// Print the user as it is stored, with this word.
    PrintUser(Word),
    /// Print the user as a dry run would create it, with this word.
    PrintImagined(Word),
    /// Print the quota that would result.
    TellOutcome,
    /// Print these lines.
    Tell(Vec<String>),
}

/// Plans the steps up to the account.
pub fn create(request: &Request, name: &UserName) -> Vec<Step> {
    match request.dry_run {
        DryRun::Client => after_account(request, name, Word::Created),
        DryRun::Server => vec![Step::CreateAccount],
        DryRun::None => {
            let open = request.has_file.then_some(Step::OpenKubeconfig);
            open.into_iter().chain([Step::CreateAccount]).collect()
        }
    }
}

/// Plans the steps after the account, from the word for its result.
pub fn after_account(request: &Request, name: &UserName, word: Word) -> Vec<Step> {
    // The use of a user who exists is not known.
    let outcome = (word == Word::Created).then_some(Step::TellOutcome);
    match request.dry_run {
        DryRun::Client => [Step::PrintImagined(word)].into_iter().chain(outcome).collect(),
        DryRun::Server => [Step::GiveRights, Step::PrintImagined(word)].into_iter().chain(outcome).collect(),
        DryRun::None if !request.credential => {
            let hint = format!("hint: a credential for them: kubectl cmp create token {name}");
            vec![Step::GiveRights, Step::PrintUser(word), Step::Tell(vec![hint])]
        }
        DryRun::None => {
            let mut steps = vec![Step::GiveRights, Step::Settle];
            let credential = credential(word, request.has_file, request.has_output);
            steps.extend(match credential {
                Credential::InFile => vec![Step::MakeKubeconfig, Step::WriteKubeconfig, Step::PrintUser(word)],
                Credential::Printed => vec![Step::MakeKubeconfig, Step::PrintKubeconfig(word)],
                Credential::No => {
                    let lines = no_token(name, word, credential, request.has_output);
                    vec![Step::PrintUser(word), Step::Tell(lines)]
                }
            });
            steps
        }
    }
}

/// The credential that `create user` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    /// A kubeconfig in the file that was named.
    InFile,
    /// A kubeconfig as the output.
    Printed,
    /// None.
    No,
}

/// Plans the credential. A new user gets one. The repeated command makes another one only for a file that it names, so
/// that a script leaves no tokens behind. With `-o` only the object is printed.
fn credential(word: Word, has_file: bool, has_output: bool) -> Credential {
    match (has_file, word) {
        (true, _) => Credential::InFile,
        (false, Word::Created) if !has_output => Credential::Printed,
        _ => Credential::No,
    }
}

/// Returns the lines that tell why there is no token.
fn no_token(name: &UserName, word: Word, credential: Credential, has_output: bool) -> Vec<String> {
    if credential != Credential::No || word == Word::Created || has_output {
        return Vec::new();
    }
    vec![
        format!("no token was made, because user {name} exists"),
        format!("hint: a new token: kubectl cmp create token {name}"),
        "hint: a new kubeconfig: the same command with --kubeconfig-out FILE".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn john() -> UserName {
        "john".parse().unwrap()
    }

    #[test]
    fn a_credential_is_made_for_a_new_user_or_a_file() {
        use Credential::{InFile, No, Printed};
        use Word::{Configured, Created, Unchanged};
        for (word, has_file, has_output, expected, says) in [
            (Created, false, false, Printed, false),
            (Created, false, true, No, false),
            (Created, true, false, InFile, false),
            (Created, true, true, InFile, false),
            (Unchanged, false, false, No, true),
            (Unchanged, false, true, No, false),
            (Unchanged, true, false, InFile, false),
            (Configured, false, false, No, true),
            (Configured, true, true, InFile, false),
        ] {
            let made = credential(word, has_file, has_output);
            assert_eq!(made, expected, "{word:?} {has_file} {has_output}");
            let lines = no_token(&john(), word, made, has_output);
            assert_eq!(!lines.is_empty(), says, "{word:?} {has_file} {has_output}");
        }
    }

    /// Writes the steps as words.
    fn words(steps: &[Step]) -> String {
        let word = |step: &Step| match step {
            Step::OpenKubeconfig => "open".to_owned(),
            Step::CreateAccount => "account".to_owned(),
            Step::GiveRights => "rights".to_owned(),
            Step::Settle => "settle".to_owned(),
            Step::MakeKubeconfig => "make".to_owned(),
            Step::WriteKubeconfig => "file".to_owned(),
            Step::PrintKubeconfig(word) => format!("kubeconfig:{}", word.as_str()),
            Step::PrintUser(word) => format!("user:{}", word.as_str()),
            Step::PrintImagined(word) => format!("imagined:{}", word.as_str()),
            Step::TellOutcome => "outcome".to_owned(),
            Step::Tell(lines) => format!("tell:{}", lines.len()),
        };
        steps.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_steps_follow_from_the_request_and_the_account() {
        use Word::{Created, Unchanged};
        let flags = |has_file, has_output| Request { dry_run: DryRun::None, credential: true, has_file, has_output };
        let of_file = Request { credential: false, ..flags(false, false) };
        let dry = |dry_run, request| Request { dry_run, ..request };
        for (request, word, first, then) in [
            (flags(false, false), Created, "account", "rights settle make kubeconfig:created"),
            (flags(false, false), Unchanged, "account", "rights settle user:unchanged tell:3"),
            (flags(false, true), Created, "account", "rights settle user:created tell:0"),
            (flags(true, false), Created, "open account", "rights settle make file user:created"),
            (flags(true, true), Unchanged, "open account", "rights settle make file user:unchanged"),
            (of_file, Created, "account", "rights user:created tell:1"),
            (of_file, Unchanged, "account", "rights user:unchanged tell:1"),
            (dry(DryRun::Server, flags(true, false)), Created, "account", "rights imagined:created outcome"),
            (dry(DryRun::Server, flags(false, false)), Unchanged, "account", "rights imagined:unchanged"),
            (dry(DryRun::Server, of_file), Created, "account", "rights imagined:created outcome"),
        ] {
            let steps = (create(&request, &john()), after_account(&request, &john(), word));
            assert_eq!((words(&steps.0).as_str(), words(&steps.1).as_str()), (first, then), "{request:?} {word:?}");
        }
        // A client dry run asks nobody.
        for request in [flags(true, false), flags(false, true), of_file] {
            assert_eq!(words(&create(&dry(DryRun::Client, request), &john())), "imagined:created outcome");
        }
    }
}
