//! The one error type of this crate. The host maps it to its own error codes.

/// Result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Messages are lower case, without a full stop, and name the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not an artifact, are damaged, or contradict themselves.
    #[error("not a valid {kind}: {reason}")]
    Corrupt {
        /// What the bytes were meant to be.
        kind: &'static str,
        /// Which check failed.
        reason: &'static str,
    },
    /// A newer or withdrawn file format.
    #[error(
        "{kind} has format version {found}, this build reads version {supported}: install the release that wrote it"
    )]
    UnsupportedVersion {
        /// What the bytes are.
        kind: &'static str,
        /// Version in the header.
        found: u16,
        /// Version this build reads.
        supported: u16,
    },
    /// Features of another tokenizer cannot be mixed with ours.
    #[error(
        "{kind} was made with tokenizer version {found}, this build uses version {supported}: train again from the emails"
    )]
    TokenizerVersion {
        /// What the bytes are.
        kind: &'static str,
        /// Version in the artifact.
        found: u64,
        /// Version of this build.
        supported: u64,
    },
    /// A label over [`crate::MAX_LABEL_BYTES`].
    #[error("label of {bytes} bytes is too long: the limit is {limit} bytes")]
    LabelTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// More labels than a class number can hold.
    #[error("more than {limit} labels: is the label column a free-text column?")]
    TooManyLabels {
        /// The limit.
        limit: usize,
    },
    /// Label texts that together outgrow an artifact's metadata.
    #[error("labels are too long altogether: they must fit into {limit} bytes")]
    LabelsTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Counts beyond what is stored.
    #[error("more than 4294967295 emails with one label: count them in several classifiers")]
    TooManyDocuments,
    /// The training state outgrew its limit.
    #[error("training state needs more than {limit} bytes after {documents} emails")]
    StateTooLarge {
        /// The limit in bytes.
        limit: usize,
        /// Emails learned when it was reached.
        documents: u64,
    },
    /// The allocator refused.
    #[error("out of memory: could not allocate {bytes} bytes")]
    OutOfMemory {
        /// Size of the refused request.
        bytes: usize,
    },
    /// Nothing to fit.
    #[error("no labelled emails: there was no row with both body and label")]
    NoDocuments,
    /// Un-learning an email that was not learned under this label.
    #[error("email was not learned under label \"{label}\", so it cannot be unlearned")]
    NotLearned {
        /// The label given.
        label: String,
    },
    /// A hyper-parameter outside its range.
    #[error("parameter {name} must be {range}, got {value}")]
    InvalidParameter {
        /// Name of the parameter.
        name: &'static str,
        /// Allowed range in words.
        range: &'static str,
        /// The value given.
        value: String,
    },
    /// From linfa (metrics and the baseline).
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

impl From<linfa_bayes::NaiveBayesError> for Error {
    fn from(e: linfa_bayes::NaiveBayesError) -> Self {
        match e {
            linfa_bayes::NaiveBayesError::BaseCrate(e) => Error::Linfa(e),
            other => Error::Linfa(linfa::Error::Parameters(other.to_string())),
        }
    }
}
