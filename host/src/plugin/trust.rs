//! Whether a plugin's file is believed to be what it says.

use std::collections::BTreeSet;

use minisign_verify::{PublicKey, Signature};

use super::compiled::LoadError;
use crate::config::Trust;

/// Those of the keys which have signed a file: its bytes, and the texts of the signatures that lie beside it.
pub(crate) fn signers(trust: &Trust, bytes: &[u8], signatures: &[String]) -> BTreeSet<String> {
    let signatures: Vec<Signature> = signatures.iter().filter_map(|text| Signature::decode(text).ok()).collect();
    let signed = |key: &PublicKey| signatures.iter().any(|signature| key.verify(bytes, signature, false).is_ok());
    let signed = |key: &&String| PublicKey::from_base64(key).is_ok_and(|key| signed(&key));
    trust.keys.iter().filter(signed).cloned().collect()
}

/// Checks the hash of a file that these keys have signed.
///
/// # Errors
///
/// [`LoadError::Untrusted`], which says what is missing.
pub(crate) fn check(id: &str, trust: &Trust, hash: &str, signers: &BTreeSet<String>) -> Result<(), LoadError> {
    let signed = trust.keys.iter().filter(|key| signers.contains(*key)).count();
    let enough = !trust.keys.is_empty() && signed >= trust.required as usize;
    if enough || trust.sha256.iter().any(|listed| listed == hash) {
        return Ok(());
    }
    let found = match (trust.keys.len(), trust.sha256.len()) {
        (0, 0) => "nothing is trusted".to_owned(),
        (0, _) => "its hash is not listed".to_owned(),
        (keys, _) => format!("{signed} of {keys} keys have signed it, and {} must", trust.required),
    };
    Err(LoadError::Untrusted { id: id.to_owned(), found, hash: hash.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{LoadError, signers};
    use crate::config::Trust;
    use crate::plugin::hash;

    fn check(id: &str, trust: &Trust, bytes: &[u8], signatures: &[String]) -> Result<(), LoadError> {
        super::check(id, trust, &hash(bytes), &signers(trust, bytes, signatures))
    }

    // Made by minisign 0.11 for a file that says `plugin`, with two keys.
    const KEYS: [&str; 2] = [
        "RWRMWuCKMfxcoZoANMGg3YhYHx1CyKSTyGqMsFEAfP/54Wxif4EIXs2M",
        "RWQWL7adt5Mo96HGgDIamhSKoHDwzN7Z6AKBT4KYqpO9eP0yl18CZNg9",
    ];
    const SIGNATURES: [&str; 2] = [
        "untrusted comment: signature from minisign secret key\n\
         RURMWuCKMfxcoXgPTwvO7+fZIfHOubshwEFyyW+T2UhyVpCsFNJrHU8/a2Hfkp4+HO+MBNqx8fM4HpW381HAa7gE/reJLYemowI=\n\
         trusted comment: timestamp:1\n\
         qFr5wc2ux845jFEcQizHApmerNrq0uktArUVKFUg29oHWic/KClYrZPqIwGho8+Ekw066fW+eaIN9/OpsVyADw==\n",
        "untrusted comment: signature from minisign secret key\n\
         RUQWL7adt5Mo95FsqJTBGsrVejy0P53ynjXvFWczOj2yXylCtZLURNdCLKziLg4UzuiBBpFsBEEpRUbsYe+L3d86jcXscdOQWwI=\n\
         trusted comment: timestamp:1\n\
         BmdeEBEF3a/Tg5YLJeHkPYoSgss1+HqG0v4slPerbHPGO9VSOs96JmYWohfvnHEA3olPcs+9AK9SbWg6ft4xCQ==\n",
    ];

    #[test]
    fn enough_keys_must_have_signed() {
        let [a, b] = SIGNATURES.map(str::to_owned);
        let trust = |keys: &[&str], required| Trust {
            sha256: Vec::new(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            required,
        };
        let outcome = |trust: &Trust, bytes: &[u8], signatures: &[String]| {
            check("p", trust, bytes, signatures).map_err(|error| error.to_string())
        };
        let both = trust(&KEYS, 2);
        assert_eq!(outcome(&both, b"plugin", &[a.clone(), b.clone()]), Ok(()));
        assert_eq!(outcome(&trust(&KEYS, 1), b"plugin", std::slice::from_ref(&b)), Ok(()));
        let refused = outcome(&both, b"plugin", &[a.clone(), a.clone()]).expect_err("one key has signed");
        assert!(refused.contains("1 of 2 keys have signed it, and 2 must"), "{refused}");
        assert!(outcome(&both, b"plugin!", &[a.clone(), b]).is_err(), "the file is another");
        assert!(outcome(&trust(&KEYS[1..], 1), b"plugin", &[a]).is_err(), "the key is another");
        assert!(outcome(&trust(&KEYS, 1), b"plugin", &["nonsense".to_owned()]).is_err());
    }

    #[test]
    fn a_listed_hash_needs_no_signature() {
        let mut trust = Trust { sha256: vec![hash(b"plugin")], keys: Vec::new(), required: 1 };
        assert!(check("p", &trust, b"plugin", &[]).is_ok());
        let refused = check("p", &trust, b"other", &[]).expect_err("another file").to_string();
        assert!(refused.contains("its hash is not listed") && refused.contains(&hash(b"other")), "{refused}");
        trust.sha256.clear();
        assert!(check("p", &trust, b"plugin", &[]).is_err());
    }
}
