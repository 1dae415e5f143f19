//! `mirror`: records the states of instances in a file, with their start and end times.

use std::path::PathBuf;

use clap::Args;

use cmp_mirror::Store;
use cmp_mirror::follow::{self, Mode, Told};

use crate::context::Context;
use crate::error::CliError;
use crate::output::counted;
use crate::platform::signalled;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp mirror --db mirror.db\n  kubectl cmp mirror --db mirror.db --watch",
    after_help = "Without --watch the file is brought up to date once. Changes between two runs are not observed.\n--watch goes on until Ctrl-C. `kubectl cmp install --mirror` does it in the cluster."
)]
pub(crate) struct MirrorArgs {
    /// The SQLite file; created if it does not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) db: PathBuf,
    /// Keep running and record every change
    #[arg(short, long)]
    pub(crate) watch: bool,
}

pub(crate) async fn run(context: &Context<'_>, args: MirrorArgs) -> Result<(), CliError> {
    let MirrorArgs { db, watch } = args;
    let client = context.client().await?;
    // Check the caller's rights first, so that no file is left behind without them.
    follow::cluster(&client).await?;
    let mut store = Store::open(&db)?;
    let mode = if watch { Mode::Watch } else { Mode::Once };
    let (mut seen, mut written, mut lost) = (None, 0, false);
    let mut said = Ok(());
    let tell = |told| match told {
        Told::Seen { clusters, instances } => {
            if watch && lost {
                context.ui.note("observing again");
            } else if watch {
                said = context.ui.line(&format!("{}: {}", db.display(), counts(clusters, instances)));
            }
            (seen, lost) = (Some((clusters, instances)), false);
        }
        Told::Written(more) => written += more.spans,
        Told::Lost(error) => {
            if !lost {
                context.ui.note(&format!("not observing: {error}; retrying"));
            }
            lost = true;
        }
    };
    let ended = tokio::select! {
        ended = follow::run(&client, &mut store, mode, tell) => ended,
        () = signalled(), if watch => Ok(()),
    };
    store.close()?;
    ended?;
    said?;
    let changes = counted(usize::try_from(written).unwrap_or(usize::MAX), "change");
    match seen {
        Some((clusters, instances)) if !watch => {
            context.ui.line(&format!("{}: {}, {changes} written", db.display(), counts(clusters, instances)))
        }
        _ => {
            context.ui.note(&format!("{}: {changes} written", db.display()));
            Ok(())
        }
    }
}

fn counts(clusters: usize, instances: usize) -> String {
    format!("{} and {} seen", counted(clusters, "cluster"), counted(instances, "instance"))
}
