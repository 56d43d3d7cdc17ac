//! Which plugin files are believed.

/// Which files are believed to be a plugin: those with a listed hash, and those that enough of the keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The SHA-256 of files, in lower-case hexadecimal.
    pub sha256: Vec<String>,
    /// Public keys of minisign, in Base64. All can be decoded, and no two are the same.
    pub keys: Vec<String>,
    /// How many of them must have signed: 1 to as many as there are.
    pub required: u32,
}
