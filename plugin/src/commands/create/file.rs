//! `create -f`: creates all cmp objects of a file in their order. It reads the output of `-o yaml` and `-o json`.

use clap::Args;

use cmp_core::keys;
use cmp_core::name::UserName;

use crate::args::values::name;
use crate::args::{ChangeArgs, DryRun, WaitArgs};
use crate::commands::shared::objects::{self, ObjectRequest};
use crate::commands::shared::{cluster_file, create_user};
use crate::context::Context;
use crate::error::CliError;
use crate::plain;

/// Flags that apply to all objects of a file.
#[derive(Debug, Args)]
pub(crate) struct CreateFile {
    /// The owner of the clusters in the file (administrators)
    #[arg(long, value_name = "USER", requires = "filename", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

impl CreateFile {
    /// Reports whether any of these flags was given.
    pub(crate) fn says_something(&self) -> bool {
        let Self { owner, wait, change } = self;
        owner.is_some() || wait.wait || change.output.is_some() || change.dry.dry_run != DryRun::None
    }
}

pub(crate) async fn run(context: &Context<'_>, path: &str, file: &CreateFile) -> Result<(), CliError> {
    let CreateFile { owner, wait, change } = file;
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    // Read all objects before creating the first one.
    let mut asked = Vec::new();
    for object in objects::read(path)? {
        let ours = object["apiVersion"] == keys::API_VERSION;
        asked.push(match object["kind"].as_str() {
            Some("Cluster") if ours => {
                let asked = cluster_file::of_object(&object, owner.as_ref()).map_err(|why| about(&why))?;
                ObjectRequest::Cluster(Box::new(asked))
            }
            Some("User") if ours => ObjectRequest::User(create_user::of_object(&object).map_err(|why| about(&why))?),
            Some("Template") if ours => ObjectRequest::Template(object),
            Some("Prices") if ours => ObjectRequest::Prices(object),
            _ => {
                return Err(about(&plain::other_type(&object, "a Cluster, a User, a Template or Prices")));
            }
        });
    }
    if asked.is_empty() {
        return Err(about("the file has no objects"));
    }
    objects::make(context, path, asked, wait, change).await
}
