//! `create user`, `get users`, `delete user`: a ServiceAccount, an account, and the right to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_client::private;
use cmp_core::account::{Account, Change, Policy};
use cmp_core::format;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::{CPU, MEMORY, Resources};
use cmp_core::verdict::available;

use crate::cli::{ChangeArgs, CreateUser, DeleteUser, DryRun, GetUsers, with_more};
use crate::commands::delete_cluster::Deadline;
use crate::commands::{delete_cluster, namespaces, tokens};
use crate::context::{Context, MANAGER, complete, each_said, once, suffix};
use crate::error::CliError;
use crate::output::{Heads, Item, age, done, print, print_object, yaml};

/// Time that the first reconcile of a new account may take.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) async fn create(context: &Context<'_>, args: CreateUser) -> Result<(), CliError> {
    let CreateUser { name, cpu, memory, resource, suspended, token_duration, kubeconfig_out, change } = args;
    let quota = with_more(Resources::new(cpu, memory), resource)?;
    let dry_run = change.dry.dry_run;
    let title = format!("user/{name}");
    let policy = Policy { suspended: suspended.into(), ..Policy::default() };
    let would = |word: &str| said(context, &change, &imagined(&name, &quota, &policy), word);
    if dry_run == DryRun::Client {
        return would(CREATED);
    }
    // Open the file first: an unwritable file must not leave a user without a kubeconfig.
    let mut file = match (&kubeconfig_out, dry_run) {
        (Some(path), DryRun::None) => Some(open(path)?),
        _ => None,
    };
    let word = account(context, &name, &quota, &policy, dry_run).await?;
    rights(context, &name, dry_run).await?;
    if dry_run == DryRun::Server {
        return would(word);
    }
    let settled = context
        .accounts()
        .await?
        .wait(&name, "the account to be looked at", SETTLED, |stored| stored.account.is_settled().then_some(()))
        .await;
    if let Err(error) = settled {
        context.ui.note(&format!("Warning: nothing can be created by {name} yet: {error}; is cmp-webhook running?"));
    }
    let new = word == CREATED;
    // A new user gets a credential. The repeated command makes another one only for a file that it names, so that a
    // script leaves no tokens behind. With `-o` only the object is printed.
    let wanted = file.is_some() || (new && change.output.is_none());
    if wanted {
        let token = tokens::make(context, &name, token_duration).await?;
        let kubeconfig = kubeconfig(context, &name, &token.token).await?;
        match &mut file {
            Some(file) => write(file, &kubeconfig)?,
            // The output stays YAML, so that it can be stored unchanged.
            None => return context.ui.out(&format!("# {title} {word}\n{kubeconfig}")),
        }
    }
    said(context, &change, &context.account(&name).await?, word)?;
    if !wanted && !new && change.output.is_none() {
        context.ui.note(&format!("no token was made, because user {name} exists"));
        context.ui.note(&format!("hint: a new token: kubectl cmp create token {name}"));
        context.ui.note("hint: a new kubeconfig: the same command with --kubeconfig-out FILE");
    }
    Ok(())
}

/// A user in a file.
pub(super) struct Asked {
    pub(super) name: UserName,
    quota: Resources,
    policy: Policy,
}

/// Reads a user in the form that `get user -o yaml` prints.
pub(super) fn of_object(object: &Value) -> Result<Asked, String> {
    let name = object["metadata"]["name"].as_str().ok_or("a user has no metadata.name")?;
    let name: UserName = name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?;
    let read = |field: &str| (&object["spec"][field], format!("user {name}: spec.{field}"));
    let (quota, about) = read("quota");
    let quota: Resources = serde_json::from_value(quota.clone()).map_err(|error| format!("{about}: {error}"))?;
    if quota.named(CPU).is_none() || quota.named(MEMORY).is_none() {
        return Err(format!("{about}: cpu and memory have to be in it"));
    }
    if let Some(resource) = quota.unknown() {
        return Err(format!("{about}.{resource}: it is not a resource that can be handed out"));
    }
    // The flags have the same rule: to give a user none of a resource, leave it out.
    if let Some((resource, amount)) = quota.iter().find(|(_, amount)| amount.is_zero() || amount.is_negative()) {
        return Err(format!("{about}.{resource}: {amount} has to be above 0"));
    }
    let policy = match read("policy") {
        (Value::Null, _) => Policy::default(),
        (policy, about) => format::typed(policy.clone()).map_err(|error| format!("{about}: {error}"))?,
    };
    Ok(Asked { name, quota, policy })
}

/// Creates a user from a file, without a token. A file that is kept holds no credentials; `create token` makes them.
pub(super) async fn create_without_token(
    context: &Context<'_>,
    asked: &Asked,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let Asked { name, quota, policy } = asked;
    let dry_run = change.dry.dry_run;
    let word = if dry_run == DryRun::Client {
        CREATED
    } else {
        let word = account(context, name, quota, policy, dry_run).await?;
        rights(context, name, dry_run).await?;
        word
    };
    if dry_run == DryRun::None {
        said(context, change, &context.account(name).await?, word)?;
        context.ui.note(&format!("hint: a credential for them: kubectl cmp create token {name}"));
        return Ok(());
    }
    said(context, change, &imagined(name, quota, policy), word)
}

/// Returns the account of a user that a dry run would create.
fn imagined(name: &UserName, quota: &Resources, policy: &Policy) -> Stored {
    let account = Account {
        user: name.clone(),
        uid: String::new(),
        quota: quota.clone(),
        policy: policy.clone(),
        clusters: BTreeMap::new(),
        settled: None,
        opaque: Vec::new(),
    };
    Stored { account, version: String::new(), created: None, labels: BTreeMap::new() }
}

fn said(context: &Context<'_>, change: &ChangeArgs, stored: &Stored, word: &str) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(stored)),
        _ => done(context.ui, change, &format!("user/{}", stored.account.user), word),
    }
}

/// Opens the file of a kubeconfig. Only its owner can read it, because it holds a credential.
fn open(path: &Path) -> Result<File, CliError> {
    private::open(path).map_err(|error| {
        CliError::user(format!("--kubeconfig-out {}: {error}", path.display())).hint("nothing was created")
    })
}

/// Replaces the contents of the file. An older kubeconfig stays until the new one is ready.
fn write(file: &mut File, kubeconfig: &str) -> Result<(), CliError> {
    file.set_len(0)?;
    Ok(file.write_all(kubeconfig.as_bytes())?)
}

const CREATED: &str = "created";
const UNCHANGED: &str = "unchanged";

/// Creates the account, and returns the word for the result. An equal account is accepted, because a second try finds
/// it.
async fn account(
    context: &Context<'_>,
    name: &UserName,
    quota: &Resources,
    policy: &Policy,
    dry_run: DryRun,
) -> Result<&'static str, CliError> {
    let accounts: Api<ConfigMap> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    let mut data = Change::new().quota(quota);
    if *policy != Policy::default() {
        data = data.policy(policy);
    }
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            labels: Some([(keys::ACCOUNT, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)].map(own).into()),
            ..ObjectMeta::default()
        },
        data: Some(data.entries().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()),
        ..ConfigMap::default()
    };
    match accounts.create(&params(dry_run), &map).await.map_err(ApiError::from) {
        Ok(_) => Ok(CREATED),
        Err(error) if error.is_already_there() => {
            let stored = context.account(name).await?;
            let is = stored.account.policy.suspended;
            if stored.account.quota == *quota && is == policy.suspended {
                let stopped = allows_nothing(&stored.account.policy) && !allows_nothing(policy);
                return if stopped { allow_again(context, stored, policy, dry_run).await } else { Ok(UNCHANGED) };
            }
            if stored.account.quota == *quota {
                return Err(CliError::user(format!(
                    "user {name} exists, and what becomes of the quota of suspended clusters differs: it is {is}, asked \
                     for is {}",
                    policy.suspended
                ))
                .hint(format!("kubectl cmp set quota {name} --suspended {}", policy.suspended)));
            }
            Err(CliError::user(format!(
                "user {name} exists and has another quota: it is {}, asked for is {quota}",
                stored.account.quota
            ))
            .hint(format!(
                "kubectl cmp set quota {name} --cpu {} --memory {}",
                quota.cpu(),
                quota.memory()
            )))
        }
        Err(error) if error.is_not_found() => Err(not_installed(error)),
        Err(error) => Err(error.into()),
    }
}

/// Reports whether the policy allows nothing, as `delete user` sets it until the user is gone.
pub(super) fn allows_nothing(policy: &Policy) -> bool {
    policy.clusters == 0 && policy.instances == 0
}

/// Lets a user create clusters again after a deletion that was begun and not finished.
async fn allow_again(
    context: &Context<'_>,
    mut stored: Stored,
    policy: &Policy,
    dry_run: DryRun,
) -> Result<&'static str, CliError> {
    let accounts = context.accounts().await?;
    let Policy { clusters, instances, .. } = *policy;
    loop {
        let again = Policy { clusters, instances, ..stored.account.policy.clone() };
        match accounts.change(&stored, &Change::new().policy(&again), MANAGER, dry_run == DryRun::Server).await {
            Ok(_) => return Ok("configured"),
            Err(error) if error.is_conflict() => stored = context.account(&stored.account.user).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

fn not_installed(error: ApiError) -> CliError {
    CliError::from(error).hint("cmp is not installed here: kubectl cmp install")
}

fn own((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn params(dry_run: DryRun) -> PostParams {
    PostParams { dry_run: dry_run == DryRun::Server, field_manager: Some(MANAGER.to_owned()) }
}

/// Creates the ServiceAccount, and its right to its own account and to nothing else.
async fn rights(context: &Context<'_>, name: &UserName, dry_run: DryRun) -> Result<(), CliError> {
    let metadata = || ObjectMeta {
        name: Some(name.to_string()),
        labels: Some([(keys::USER, name.as_str()), (keys::MANAGED_BY, keys::MANAGER)].map(own).into()),
        ..ObjectMeta::default()
    };
    let account = ServiceAccount {
        metadata: metadata(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    let rule = PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec!["configmaps".to_owned()]),
        resource_names: Some(vec![name.to_string()]),
        verbs: ["get", "watch", "patch"].map(str::to_owned).into(),
        ..PolicyRule::default()
    };
    let role = Role { metadata: metadata(), rules: Some(vec![rule]) };
    let binding = RoleBinding {
        metadata: metadata(),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: name.to_string(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: name.to_string(),
            namespace: Some(keys::USERS_NAMESPACE.to_owned()),
            api_group: None,
        }]),
    };
    apply(context, name, &account, dry_run).await?;
    apply(context, name, &role, dry_run).await?;
    apply(context, name, &binding, dry_run).await
}

async fn apply<K>(context: &Context<'_>, name: &UserName, object: &K, dry_run: DryRun) -> Result<(), CliError>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    let params = PatchParams { dry_run: dry_run == DryRun::Server, ..PatchParams::apply(MANAGER).force() };
    api.patch(name.as_str(), &params, &Patch::Apply(object)).await?;
    Ok(())
}

/// Returns the kubeconfig of a user: the API server and the credential.
async fn kubeconfig(context: &Context<'_>, name: &UserName, token: &str) -> Result<String, CliError> {
    let connection = context.connection().await?;
    let mut cluster = json!({ "server": connection.server });
    if let Some(authority) = &connection.certificate_authority {
        cluster["certificate-authority-data"] = json!(ByteString(authority.as_bytes().to_vec()));
    } else if context.global.insecure_skip_tls_verify {
        cluster["insecure-skip-tls-verify"] = json!(true);
    }
    let entry = format!("{name}@cmp");
    yaml(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "cmp", "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": entry, "context": { "cluster": "cmp", "user": name } }],
        "current-context": entry,
    }))
}

const USERS: Heads = (&["NAME", "CPU", "MEMORY", "CLUSTERS", "INSTANCES", "AGE"], &["SETTLED"]);

pub(crate) async fn get(context: &Context<'_>, args: GetUsers) -> Result<(), CliError> {
    let GetUsers { names, list } = args;
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &UserName| {
        let name = name.clone();
        async move { context.account(&name).await }
    })
    .await?;
    if names.is_empty() {
        for stored in context.accounts().await?.list().await? {
            match stored {
                Ok(stored) => found.push(stored),
                Err(error) => context.ui.note(&format!("Warning: {error}")),
            }
        }
    }
    if found.is_empty() && !all_found {
        return complete(false);
    }
    let now = Timestamp::now();
    let items = found.iter().map(|stored| item(stored, now)).collect();
    print(context.ui, &list, USERS, items, names.len() == 1)?;
    complete(all_found)
}

fn item(stored: &Stored, now: Timestamp) -> Item {
    let account = &stored.account;
    let used = account.charge().unwrap_or_default();
    let of = |used: String, total: String| format!("{used}/{total}");
    let (clusters, instances) = account.counts();
    Item {
        name: format!("user/{}", account.user),
        object: object(stored),
        cells: vec![
            account.user.to_string(),
            of(used.cpu().to_string(), account.quota.cpu().to_string()),
            of(used.memory().to_string(), account.quota.memory().to_string()),
            clusters.to_string(),
            instances.to_string(),
            age(stored.created, now),
        ],
        wide: vec![if account.is_settled() { "yes" } else { "no" }.to_owned()],
    }
}

fn object(stored: &Stored) -> Value {
    let account = &stored.account;
    let (clusters, instances) = account.counts();
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "User",
        "metadata": {
            "name": account.user,
            "namespace": keys::USERS_NAMESPACE,
            "uid": Some(&account.uid).filter(|uid| !uid.is_empty()),
            "labels": Some(&stored.labels).filter(|labels| !labels.is_empty()),
            "creationTimestamp": stored.created.map(|created| created.to_string()),
        },
        "spec": { "quota": account.quota, "policy": account.policy },
        "status": {
            "username": account.user.username(),
            "charge": account.charge(),
            "available": available(account),
            "clusters": clusters,
            "instances": instances,
            "settled": account.is_settled(),
        },
    })
}

pub(crate) async fn delete(context: &Context<'_>, args: DeleteUser) -> Result<(), CliError> {
    let DeleteUser { names, cascade, yes, timeout, dry } = args;
    let dry_run = dry.dry_run;
    let mut found = Vec::new();
    let all_found = each_said(context, &once(names), &mut found, |name: &UserName| {
        let name = name.clone();
        async move { Ok((clusters(context, &name).await?, name)) }
    })
    .await?;
    let mut goes = Vec::new();
    for (clusters, name) in &found {
        goes.push(format!("user/{name}: the account, the rights and all tokens"));
        if !cascade && !clusters.is_empty() {
            return Err(still_has(name, clusters));
        }
        for cluster in clusters {
            goes.push(format!("cluster/{cluster} of {name}: its namespace and everything in it"));
        }
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let mut all_deleted = true;
    for (_, name) in &found {
        if dry_run == DryRun::None
            && let Err(error) = remove(context, name, cascade, timeout).await
        {
            // Continue with the other users.
            error.about(&format!("user/{name}")).print(context.ui);
            all_deleted = false;
            continue;
        }
        context.ui.line(&format!("user/{name} deleted{}", suffix(dry_run)))?;
    }
    complete(all_found && all_deleted)
}

fn still_has(name: &UserName, clusters: &BTreeSet<ClusterName>) -> CliError {
    let list: Vec<String> = clusters.iter().map(ToString::to_string).collect();
    CliError::user(format!("user {name} still has clusters: {}", list.join(", ")))
        .hint(format!("delete them too: kubectl cmp delete user {name} --cascade"))
}

/// Returns the clusters that a user still has: those of the account, and Namespaces that the account does not know.
async fn clusters(context: &Context<'_>, name: &UserName) -> Result<BTreeSet<ClusterName>, CliError> {
    let namespaces = namespaces::labelled(&context.client().await?, &owned_by(name)).await?;
    let of_namespaces = namespaces.iter().filter_map(|namespace| namespace.labels().get(keys::CLUSTER)?.parse().ok());
    let mut clusters: BTreeSet<ClusterName> = of_namespaces.collect();
    match context.accounts().await?.get(name).await {
        Ok(stored) => clusters.extend(existing(&stored)),
        // An earlier try deleted a part of the user.
        Err(error) if error.is_not_found() && (!clusters.is_empty() || exists(context, name).await?) => {}
        Err(error) if error.is_not_found() => return Err(CliError::not_found("user", name.as_str())),
        // The clusters cannot be read. The policy refuses the deletion of the account if it holds something.
        Err(ApiError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(clusters)
}

fn existing(stored: &Stored) -> Vec<ClusterName> {
    stored.account.existing().map(|(cluster, _)| cluster.clone()).collect()
}

/// Returns the selector for the Namespaces of a user's clusters.
fn owned_by(name: &UserName) -> String {
    format!("{}={name}", keys::OWNER)
}

async fn exists(context: &Context<'_>, name: &UserName) -> Result<bool, CliError> {
    let users: Api<ServiceAccount> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    Ok(users.get_opt(name.as_str()).await?.is_some())
}

/// Deletes a user. Every step can be repeated, and no step removes what a later one needs. The order is: the tokens,
/// the right to create more, the clusters, the rights, the ServiceAccount, the account. cmp-webhook prepares and
/// removes clusters only for a user with rights and an account.
async fn remove(context: &Context<'_>, name: &UserName, cascade: bool, timeout: Duration) -> Result<(), CliError> {
    let client = context.client().await?;
    let accounts = context.accounts().await?;
    let (users, deadline) = (keys::USERS_NAMESPACE, Deadline::after(timeout));
    let kept = |error: CliError| {
        error
            .hint(format!("the same command goes on where this one ended; until then {name} can create nothing"))
            .hint(format!(
                "to keep the user instead: `kubectl cmp create user {name}` with the quota of {name}, then `kubectl cmp \
                 create token {name}`"
            ))
    };
    tokens::revoke_all(context, name).await?;
    if let Some(stored) = stop(context, &accounts, name).await? {
        let clusters = existing(&stored);
        if !cascade && !clusters.is_empty() {
            return Err(still_has(name, &clusters.into_iter().collect()));
        }
        empty(context, &accounts, stored, deadline).await.map_err(kept)?;
    }
    gone(&Api::<RoleBinding>::namespaced(client.clone(), users), name).await?;
    gone(&Api::<Role>::namespaced(client.clone(), users), name).await?;
    if cascade {
        // No Namespace can be created for this user any more. A Namespace that was created after its wish was gone has
        // no record elsewhere.
        left(context, &namespaces::all_gone(&client, &owned_by(name), deadline.at).await?).map_err(kept)?;
        match accounts.get(name).await {
            Ok(stored) => empty(context, &accounts, stored, deadline).await.map_err(kept)?,
            Err(error) if error.is_not_found() => {}
            Err(ApiError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    gone(&Api::<ServiceAccount>::namespaced(client.clone(), users), name).await?;
    gone(&Api::<ConfigMap>::namespaced(client, users), name).await.map_err(kept)
}

/// Prints the reasons for clusters that are left. Returns an error if there are any.
fn left(context: &Context<'_>, failed: &[CliError]) -> Result<(), CliError> {
    for error in failed {
        error.print(context.ui);
    }
    if failed.is_empty() { Ok(()) } else { Err(CliError::user("not deleted, since not all clusters are gone")) }
}

/// Stops a user from creating and growing clusters. cmp-webhook takes back wants that are not held yet. Returns the
/// account, if there is one that can be read.
async fn stop(context: &Context<'_>, accounts: &Accounts, name: &UserName) -> Result<Option<Stored>, CliError> {
    loop {
        let stored = match accounts.get(name).await {
            Ok(stored) => stored,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error @ ApiError::Damaged { .. }) => {
                let clusters = namespaces::labelled(&context.client().await?, &owned_by(name)).await?;
                let hint =
                    format!("correct that key with `kubectl edit configmap {name} -n cmp-users`, and repeat this");
                return if clusters.is_empty() { Ok(None) } else { Err(CliError::from(error).hint(hint)) };
            }
            Err(error) => return Err(error.into()),
        };
        let nothing = Policy { clusters: 0, instances: 0, ..stored.account.policy.clone() };
        if stored.account.policy == nothing {
            return Ok(Some(stored));
        }
        match accounts.change(&stored, &Change::new().policy(&nothing), MANAGER, false).await {
            Ok(written) => return Ok(Some(written)),
            Err(error) if error.is_conflict() => {}
            // Nothing is created or grown while cmp-webhook is down, and a wish to delete can be written.
            Err(ApiError::WebhookDown { .. }) => {
                if stored.account.existing().next().is_some() {
                    context
                        .ui
                        .note("Warning: cmp-webhook does not answer: it removes the clusters when it is there again");
                }
                return Ok(Some(stored));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Requests the deletion of all clusters of a user, and stops new ones.
pub(super) async fn give_up(context: &Context<'_>, name: &UserName) -> Result<(), CliError> {
    let accounts = context.accounts().await?;
    let Some(stored) = stop(context, &accounts, name).await? else { return Ok(()) };
    let clusters = delete_cluster::look(context, &stored, existing(&stored)).await?;
    let (_, failed) = delete_cluster::ask(&accounts, stored, clusters, DryRun::None).await?;
    failed.into_iter().next().map_or(Ok(()), Err)
}

/// Deletes all clusters of an account, including clusters that appear meanwhile, and waits until they are gone.
async fn empty(
    context: &Context<'_>,
    accounts: &Accounts,
    mut stored: Stored,
    deadline: Deadline,
) -> Result<(), CliError> {
    let user = stored.account.user.clone();
    loop {
        let names = existing(&stored);
        if names.is_empty() {
            return Ok(());
        }
        let clusters = delete_cluster::look(context, &stored, names).await?;
        let (going, mut failed) = delete_cluster::ask(accounts, stored, clusters, DryRun::None).await?;
        failed.extend(delete_cluster::all_gone(context, accounts, vec![(user.clone(), going)], deadline).await?);
        left(context, &failed)?;
        stored = match accounts.get(&user).await {
            Err(error) if error.is_not_found() => return Ok(()),
            read => read?,
        };
    }
}

async fn gone<K>(api: &Api<K>, name: &UserName) -> Result<(), CliError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name.as_str(), &DeleteParams::default()).await.map_err(ApiError::from) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
