//! The context of every command: the terminal, the global flags, and a connection that is made at its first use.

use std::time::Duration;

use kube::Client;
use tokio::sync::OnceCell;

use cmp_client::access::{self, Identity};
use cmp_client::accounts::{Accounts, Signer, Stored};
use cmp_client::connect::{Connection, Names, Options, connect, names};
use cmp_client::patience::Patience;
use cmp_client::{clusters, namespaces};
use cmp_core::account::Want;
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::vocabulary::InstanceType;

use crate::args::Global;
use crate::error::CliError;
use crate::ui::Ui;

/// The field manager of all objects that the plugin writes, but for the changes of accounts that their author signs.
pub(crate) const MANAGER: &str = "kubectl-cmp";

const AGENT: &str = concat!("kubectl-cmp/", env!("CARGO_PKG_VERSION"));

/// Hint about the places in which the plugin looks for a kubeconfig.
const KUBECONFIG: &str = "kubectl cmp reads the kubeconfig of --kubeconfig, of $KUBECONFIG, or ~/.kube/config";

/// The terminal, the global flags and the connection of a command.
pub(crate) struct Context<'a> {
    pub(crate) ui: &'a Ui,
    pub(crate) global: Global,
    patience: Patience,
    connection: OnceCell<Connection>,
    who: OnceCell<Who>,
    signer: Signer,
}

/// The identity of the caller.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The username in Kubernetes.
    pub(crate) username: String,
    /// The groups of the user in Kubernetes.
    pub(crate) groups: Vec<String>,
    /// The cmp user with that username, if there is one. Everyone else may be an administrator.
    pub(crate) user: Option<UserName>,
}

impl<'a> Context<'a> {
    /// Creates the context of a command with this `--timeout`.
    pub(crate) fn new(ui: &'a Ui, global: Global, timeout: Option<Duration>) -> Self {
        Self {
            ui,
            global,
            patience: Patience::of(timeout),
            connection: OnceCell::new(),
            who: OnceCell::new(),
            signer: Signer::default(),
        }
    }

    /// Returns the patience of the command with other writers. No contended write lasts longer than its `--timeout`.
    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Returns the connection options that the global flags give.
    fn options(&self) -> Options {
        let global = &self.global;
        Options {
            kubeconfig: global.kubeconfig.clone(),
            context: global.context.clone(),
            cluster: global.kube_cluster.clone(),
            user: global.kube_user.clone(),
            server: global.server.clone(),
            token: global.bearer.clone(),
            impersonate: global.act_as.clone(),
            impersonate_groups: global.as_group.clone(),
            impersonate_uid: global.as_uid.clone(),
            tls_server_name: global.tls_server_name.clone(),
            certificate_authority: global.certificate_authority.clone(),
            insecure: global.insecure_skip_tls_verify,
            request_timeout: Some(global.request_timeout).filter(|timeout| !timeout.is_zero()),
            // kubectl traces requests from level 6, too.
            trace: (global.v >= 6).then_some(|text| Ui::standard().note(text)),
        }
    }

    /// Reads the names in the kubeconfig without connecting.
    pub(crate) fn kubeconfig(&self) -> Result<Names, CliError> {
        Ok(names(&self.options())?)
    }

    /// Returns the connection, and makes it at the first call.
    pub(crate) async fn connection(&self) -> Result<&Connection, CliError> {
        let options = self.options();
        self.connection
            .get_or_try_init(|| async {
                let connected = connect(&options, AGENT).await;
                connected.map_err(|error| CliError::from(error).hint(KUBECONFIG))
            })
            .await
    }

    /// Returns the client of the connection.
    pub(crate) async fn client(&self) -> Result<Client, CliError> {
        Ok(self.connection().await?.client.clone())
    }

    /// Returns a client that impersonates a ServiceAccount, to try in a dry run what it may do. The caller needs the
    /// right to impersonate it. The API server adds its groups.
    pub(crate) async fn client_as(&self, namespace: &str, name: &str) -> Result<Client, CliError> {
        let options = Options {
            impersonate: Some(format!("system:serviceaccount:{namespace}:{name}")),
            impersonate_groups: Vec::new(),
            impersonate_uid: None,
            ..self.options()
        };
        Ok(connect(&options, AGENT).await?.client)
    }

    /// Returns the client for accounts.
    pub(crate) async fn accounts(&self) -> Result<Accounts, CliError> {
        Ok(Accounts::new(self.client().await?).signed(&self.signer).patient(self.patience))
    }

    /// Returns the field manager by which the caller signs the verbs on instances.
    pub(crate) async fn signature(&self, unsigned: &str) -> Result<String, CliError> {
        self.who().await?;
        Ok(self.signer.manager(unsigned).to_owned())
    }

    /// Prints the warnings of the API server.
    pub(crate) fn warn(&self) {
        if let Some(connection) = self.connection.get() {
            for warning in connection.warnings.take() {
                self.ui.note(&format!("Warning: {warning}"));
            }
        }
    }

    /// Prints a line if `-v` is above 0.
    pub(crate) fn verbose(&self, text: &str) {
        if self.global.v > 0 {
            self.ui.note(text);
        }
    }

    /// Returns the caller's identity, as the API server sees it.
    pub(crate) async fn who(&self) -> Result<&Who, CliError> {
        self.who
            .get_or_try_init(|| async {
                let Identity { username, groups } = access::who(&self.client().await?).await?;
                self.signer.set(&username);
                let user = UserName::from_username(&username);
                Ok(Who { username, groups, user })
            })
            .await
    }

    /// Returns the user whose account a command is about: the caller, or for an administrator the user of `--owner`.
    pub(crate) async fn account_of(&self, owner: Option<&UserName>) -> Result<UserName, CliError> {
        let who = self.who().await?;
        match (&who.user, owner) {
            (Some(user), None) => Ok(user.clone()),
            (Some(user), Some(owner)) if user == owner => Ok(user.clone()),
            (None, Some(owner)) => Ok(owner.clone()),
            (Some(user), Some(owner)) => {
                Err(not_for(owner).hint(format!("omit --owner, or use --owner {user} if the file names another owner")))
            }
            (None, None) => Err(CliError::user(format!("{} is not a user of cmp", who.username))
                .hint("administrators select clusters by --owner USER, by -A or by name")
                .hint("users need the kubeconfig that `kubectl cmp create user` wrote")),
        }
    }

    /// Reads an account. A missing account is reported as a missing user.
    pub(crate) async fn account(&self, user: &UserName) -> Result<Stored, CliError> {
        match self.accounts().await?.get(user).await {
            Err(error) if error.is_not_found() => Err(CliError::not_found("user", user.as_str())),
            read => Ok(read?),
        }
    }

    /// Returns the account that has this cluster: the caller's own, or for an administrator the one that its Namespace
    /// names.
    pub(crate) async fn holder(&self, cluster: &ClusterName) -> Result<Stored, CliError> {
        self.check_namespace(cluster)?;
        let missing = || CliError::not_found("cluster", cluster.as_str());
        if let Some(user) = &self.who().await?.user {
            let stored = self.account(user).await?;
            return if stored.account.cluster(cluster).exists() { Ok(stored) } else { Err(missing()) };
        }
        let namespace = namespaces::get(&self.client().await?, &cluster.namespace()).await?;
        if let Some(owner) = namespace.and_then(|namespace| namespace.label(keys::OWNER)?.parse().ok()) {
            return self.account(&owner).await;
        }
        // Before the Namespace is prepared, only the accounts know the cluster.
        let all = self.accounts().await?.list().await?;
        all.into_iter().flatten().find(|stored| stored.account.cluster(cluster).exists()).ok_or_else(missing)
    }

    /// Returns the want of a cluster. A missing or damaged account hides no instance, so that there is no want then.
    pub(crate) async fn want_of(&self, cluster: &ClusterName) -> Option<Want> {
        self.holder(cluster).await.ok()?.account.cluster(cluster).want
    }

    /// Returns the type of a cluster, as its account says; `None` if there is no such cluster.
    pub(crate) async fn kind(&self, cluster: &ClusterName) -> Result<Option<InstanceType>, CliError> {
        let user = self.who().await?.user.as_ref();
        Ok(clusters::kind(&self.client().await?, cluster, user).await?)
    }

    /// Returns the cluster whose Namespace `-n` names, if `-n` is given.
    pub(crate) fn cluster_of_namespace(&self) -> Result<Option<ClusterName>, CliError> {
        let Some(namespace) = self.global.namespace.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
        ClusterName::from_namespace(namespace).map(Some).ok_or_else(|| {
            CliError::user(format!("-n {namespace} is not the namespace of a cluster"))
                .hint("the namespace of cluster web is web-ns; a command that names the cluster needs no -n")
        })
    }

    /// Checks that `-n` does not name another Namespace than that of the cluster.
    pub(crate) fn check_namespace(&self, cluster: &ClusterName) -> Result<(), CliError> {
        match self.global.namespace.as_deref() {
            Some(namespace) if !namespace.is_empty() && namespace != cluster.namespace() => Err(CliError::user(
                format!("cluster {cluster} is in namespace {}, not in {namespace}", cluster.namespace()),
            )
            .hint("omit -n: the name of the cluster determines its namespace")),
            _ => Ok(()),
        }
    }

    /// Returns the named clusters without duplicates, or the cluster of `-n <cluster>-ns`.
    pub(crate) fn clusters(&self, names: Vec<ClusterName>) -> Result<Vec<ClusterName>, CliError> {
        if !names.is_empty() {
            return Ok(once(names));
        }
        match self.cluster_of_namespace()? {
            Some(cluster) => Ok(vec![cluster]),
            None => Err(CliError::user("no cluster is named").hint("name one or more clusters, or use --all")),
        }
    }
}

/// Builds the error for a user who asks about the account of another one.
pub(crate) fn not_for(owner: &UserName) -> CliError {
    CliError::user(format!("cannot act for {owner}: only an administrator can act for another user"))
}

/// Removes duplicates, so that no command acts twice on one object.
pub(crate) fn once<N: PartialEq>(names: Vec<N>) -> Vec<N> {
    let mut once: Vec<N> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// Looks up several names. It continues after a name that is not found, as kubectl does. Returns the errors for names
/// that were not found.
pub(crate) async fn each<N, T, F>(
    names: &[N],
    found: &mut Vec<T>,
    look: impl Fn(&N) -> F,
) -> Result<Vec<CliError>, CliError>
where
    F: Future<Output = Result<T, CliError>>,
{
    let mut missing = Vec::new();
    for name in names {
        match look(name).await {
            Ok(one) => found.push(one),
            Err(error) if error.is_not_found() => missing.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Looks up several names as [`each`] does, and prints the errors. Returns whether all were found.
pub(crate) async fn each_said<N, T, F>(
    context: &Context<'_>,
    names: &[N],
    found: &mut Vec<T>,
    look: impl Fn(&N) -> F,
) -> Result<bool, CliError>
where
    F: Future<Output = Result<T, CliError>>,
{
    let missing = each(names, found, look).await?;
    for error in &missing {
        error.print(context.ui);
    }
    Ok(missing.is_empty())
}

/// Returns an error without text if something was not found, for the exit code. The message was printed before.
pub(crate) fn complete(all: bool) -> Result<(), CliError> {
    if all { Ok(()) } else { Err(CliError::silent()) }
}
