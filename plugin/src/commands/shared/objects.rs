//! Objects of a file: clusters, users, templates and prices.

use serde_json::Value;

use cmp_client::templates::not_yaml;
use cmp_core::plan::user::Wish;

use crate::args::{ChangeArgs, WaitArgs};
use crate::commands::shared::{create_cluster, create_user, set_prices, templates};
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::files;

/// An object that a file can contain.
pub(crate) enum ObjectRequest {
    Cluster(Box<create_cluster::ClusterRequest>),
    Template(Value),
    Prices(Value),
    User(Wish),
}

/// Creates the objects of a file. If one of several fails, the others are created all the same.
pub(crate) async fn make(
    context: &Context<'_>,
    path: &str,
    asked: Vec<ObjectRequest>,
    wait: &WaitArgs,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let alone = asked.len() == 1;
    let (mut all, mut foreseen) = (true, create_cluster::Foreseen::default());
    for one in asked {
        let (title, done) = match one {
            ObjectRequest::Cluster(asked) => {
                let title = format!("cluster {}", asked.wish.name);
                (title, create_cluster::create(context, *asked, wait, change, &mut foreseen).await)
            }
            ObjectRequest::User(asked) => {
                (format!("user {}", asked.name), create_user::create(context, &asked, None, change).await)
            }
            ObjectRequest::Template(object) => {
                let title = format!("template {}", object["metadata"]["name"].as_str().unwrap_or_default());
                (title, templates::create_object(context, path, &object, change).await)
            }
            ObjectRequest::Prices(object) => {
                let title = format!("prices {}", object["metadata"]["name"].as_str().unwrap_or_default());
                (title, set_prices::set_object(context, &object, change).await)
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
pub(crate) fn read(path: &str) -> Result<Vec<Value>, CliError> {
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
