//! `create -f`: whatever of ours a file says, in its order; what `-o yaml` and `-o json` print.

use serde_json::Value;

use cmp_client::templates::not_yaml;
use cmp_core::keys;

use super::{create_cluster, templates, users};
use crate::cli::{ChangeArgs, CreateFile, WaitArgs};
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::files;

/// What a file can say.
pub(super) enum Asked {
    Cluster(Box<create_cluster::Asked>),
    Template(Value),
    User(users::Asked),
}

pub(crate) async fn create(context: &Context<'_>, path: &str, file: &CreateFile) -> Result<(), CliError> {
    let CreateFile { owner, wait, change } = file;
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    // All of it is read before any of it is done.
    let mut asked = Vec::new();
    for object in read(path)? {
        let ours = object["apiVersion"] == keys::API_VERSION;
        asked.push(match object["kind"].as_str() {
            Some("Cluster") if ours => {
                let asked = create_cluster::of_object(&object, owner.as_ref()).map_err(|why| about(&why))?;
                Asked::Cluster(Box::new(asked))
            }
            Some("User") if ours => Asked::User(users::of_object(&object).map_err(|why| about(&why))?),
            Some("Template") if ours => Asked::Template(object),
            _ => {
                return Err(about(&format!(
                    "it has a {} of {}, where a Cluster, a User or a Template of {} is asked for",
                    object["kind"],
                    object["apiVersion"],
                    keys::API_VERSION
                )));
            }
        });
    }
    if asked.is_empty() {
        return Err(about("there is nothing in it"));
    }
    make(context, path, asked, wait, change).await
}

/// Makes what a file says; of several, those that can be made are made.
pub(super) async fn make(
    context: &Context<'_>,
    path: &str,
    asked: Vec<Asked>,
    wait: &WaitArgs,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let alone = asked.len() == 1;
    let mut all = true;
    for one in asked {
        let (title, done) = match one {
            Asked::Cluster(asked) => {
                let title = format!("cluster {}", asked.name);
                (title, create_cluster::create(context, *asked, wait, change).await)
            }
            Asked::User(asked) => {
                (format!("user {}", asked.name), users::create_without_token(context, &asked, change).await)
            }
            Asked::Template(object) => {
                let title = format!("template {}", object["metadata"]["name"].as_str().unwrap_or_default());
                (title, templates::create_object(context, path, &object, change).await)
            }
        };
        match done {
            Err(error) if alone || error.is_broken_pipe() => return Err(error),
            // The others are made all the same, as kubectl does.
            Err(error) => {
                error.about(&title).print(context.ui);
                all = false;
            }
            Ok(()) => {}
        }
    }
    complete(all)
}

/// The objects in a file, or on standard input for `-`: documents, and what is in lists of them.
pub(super) fn read(path: &str) -> Result<Vec<Value>, CliError> {
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    let text = files::read_or_stdin(path, files::OBJECTS).map_err(|error| about(&error.to_string()))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| about(&not_yaml(&error)))?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        match (&document["kind"], &document["items"]) {
            (Value::String(kind), Value::Array(items)) if kind == "List" => objects.extend(items.iter().cloned()),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}
