//! Names of objects of one type.

use clap::Args;

use crate::args::values::{Titled, name};

#[derive(Debug, Args)]
pub(crate) struct Names<N: Titled + Clone + Send + Sync + 'static> {
    /// The names of the objects
    #[arg(value_name = "NAME", required = true, value_parser = name::<N>)]
    pub(crate) names: Vec<N>,
}
