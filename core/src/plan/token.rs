//! `create token` and `delete token`: the steps, and the refusal of a token that does not exist.

use crate::name::UserName;
use crate::plan::refusal::Refusal;
use crate::vocabulary::DryRun;

/// A step of `create token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Check that the user has an account.
    CheckUser,
    /// Ask the API server whether the caller may make a token.
    Try,
    /// Make a token, and print it. It can be read only now.
    MakeAndPrint,
    /// Print the token that a dry run would make, without its value.
    PrintImagined,
}

/// A step of `delete token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// Delete the Secret that the token is bound to, which revokes the token.
    Revoke,
    /// Tell that the token is deleted.
    TellDeleted,
}

/// Plans a new token of a user. The account is checked first, so that a user who is gone gets none.
pub fn create(dry_run: DryRun) -> Vec<Create> {
    match dry_run {
        DryRun::None => vec![Create::CheckUser, Create::MakeAndPrint],
        DryRun::Client => vec![Create::CheckUser, Create::PrintImagined],
        DryRun::Server => vec![Create::CheckUser, Create::Try, Create::PrintImagined],
    }
}

/// Plans the deletion of a token. `exists` reports whether the user has a token with this ID.
pub fn delete(user: &UserName, id: &str, exists: bool, dry_run: DryRun) -> Result<Vec<Delete>, Refusal> {
    if !exists {
        return Err(Refusal::not_found("token", id).hint(format!("kubectl cmp get tokens {user}")));
    }
    Ok(match dry_run {
        DryRun::Client => vec![Delete::TellDeleted],
        DryRun::Server | DryRun::None => vec![Delete::Revoke, Delete::TellDeleted],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_revoked_if_the_user_has_it() {
        let john = "john".parse().unwrap();
        let delete = |exists, dry_run| delete(&john, "john-x7k2p", exists, dry_run);
        for (dry_run, steps) in [
            (DryRun::None, vec![Delete::Revoke, Delete::TellDeleted]),
            (DryRun::Server, vec![Delete::Revoke, Delete::TellDeleted]),
            (DryRun::Client, vec![Delete::TellDeleted]),
        ] {
            assert_eq!(delete(true, dry_run), Ok(steps), "{dry_run:?}");
            assert_eq!(
                delete(false, dry_run).unwrap_err().to_string(),
                "token \"john-x7k2p\" not found\nhint: kubectl cmp get tokens john"
            );
        }
    }

    #[test]
    fn only_a_user_with_an_account_gets_a_token() {
        for (dry_run, steps) in [
            (DryRun::None, &[Create::CheckUser, Create::MakeAndPrint][..]),
            (DryRun::Client, &[Create::CheckUser, Create::PrintImagined]),
            (DryRun::Server, &[Create::CheckUser, Create::Try, Create::PrintImagined]),
        ] {
            assert_eq!(create(dry_run), steps, "{dry_run:?}");
        }
    }
}
