//! `export --all`: prints the input for `create -f` that creates everything again in another Kubernetes cluster.

use jiff::Timestamp;
use serde_json::{Value, json};

use cmp_client::prices;
use cmp_core::plan::delete as plan;
use cmp_core::prices::PriceTable;

use crate::commands::export::cluster::{exported, is_wanted, print_what_is_left_out};
use crate::commands::export::print::{ExportOutput, Exported};
use crate::commands::shared::{prices as shared_prices, templates, users};
use crate::context::{Context, complete};
use crate::error::CliError;
use crate::view::{self, Cluster};

/// Prints the prices, the templates, the users and their clusters, in the order in which `create -f` needs them.
pub(super) async fn run(context: &Context<'_>, output: &ExportOutput) -> Result<(), CliError> {
    let client = context.client().await?;
    let (mut objects, mut all) = (Vec::new(), true);
    let (table, broken) = PriceTable::read(&prices::read(&client).await?.data);
    for broken in &broken {
        context.ui.note(&format!("prices left out: {broken}"));
        all = false;
    }
    let now = Timestamp::now();
    for from in table.dates.keys() {
        let object = shared_prices::object(&table, *from, now);
        objects.push(without_status(format!("prices/{from}"), &object, &object["spec"]));
    }
    for found in templates::stored(context).await?.list().await? {
        if let Err(reason) = &found.template {
            context.ui.note(&format!("template/{} left out: {reason}", found.name));
            all = false;
            continue;
        }
        let title = format!("template/{}", found.name);
        objects.push(without_status(title, &templates::object(&found), &json!({ "manifest": found.manifest })));
    }
    let (accounts, readable) = users::readable(context).await?;
    all &= readable;
    for stored in &accounts {
        let object = users::object(stored);
        objects.push(without_status(format!("user/{}", stored.account.user), &object, &object["spec"]));
    }
    let mut clusters = Vec::new();
    for stored in &accounts {
        let names = plan::shown(&stored.account);
        clusters.extend(view::clusters(&client, &stored.account, &names).await?);
    }
    let (there, gone): (Vec<Cluster>, Vec<Cluster>) = clusters.into_iter().partition(is_wanted);
    for cluster in &gone {
        context.ui.note(&format!("cluster/{} left out: it is {}", cluster.name, cluster.status()));
    }
    objects.extend(there.iter().map(exported));
    if objects.is_empty() {
        context.ui.note("No resources found.");
        return complete(all);
    }
    output.print(context, &objects)?;
    print_what_is_left_out(context, &there);
    context.ui.note("tokens are not exported; give each user a new one: kubectl cmp create token USER");
    context.ui.note("the flags of install are not exported; give them to the install of the other cluster");
    complete(all)
}

/// Returns the parts of an object that `create -f` reads.
fn without_status(title: String, object: &Value, spec: &Value) -> Exported {
    let object = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": { "name": object["metadata"]["name"] },
        "spec": spec,
    });
    Exported { title, object }
}
