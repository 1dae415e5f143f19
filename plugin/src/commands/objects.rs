//! `create -f`: creates all cmp objects of a file in their order. It reads the output of `-o yaml` and `-o json`.

use serde_json::Value;

use cmp_client::templates::not_yaml;
use cmp_core::keys;

use super::{create_cluster, templates, users};
use crate::cli::{ChangeArgs, CreateFile, WaitArgs};
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::files;

/// An object that a file can contain.
pub(super) enum Asked {
    Cluster(Box<create_cluster::Asked>),
    Template(Value),
    User(users::Asked),
}

pub(crate) async fn create(context: &Context<'_>, path: &str, file: &CreateFile) -> Result<(), CliError> {
    let CreateFile { owner, wait, change } = file;
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    // Read all objects before creating the first one.
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

/// Creates the objects of a file. If one of several fails, the others are created all the same.
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
            // Continue with the other objects, as kubectl does.
            Err(error) => {
                error.about(&title).print(context.ui);
                all = false;
            }
            Ok(()) => {}
        }
    }
    complete(all)
}

/// Reads the objects of a file, or of standard input for `-`: documents, and the items of lists.
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
