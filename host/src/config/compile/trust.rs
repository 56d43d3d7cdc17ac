//! Which plugin files are believed.

use minisign_verify::PublicKey;

use super::Compiler;
use crate::config::Trust;
use crate::config::authored;

impl Compiler<'_> {
    pub(super) fn trust(&mut self, authored: authored::Trust) -> Trust {
        let mut trust = Trust { sha256: Vec::new(), keys: Vec::new(), required: 1 };
        for hash in authored.sha256 {
            if hash.value.len() == 64 && hash.value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                trust.sha256.push(hash.value.to_ascii_lowercase());
            } else {
                let help = "write the 64 hexadecimal digits that `sha256sum NAME.wasm` prints";
                self.complain(&hash.span, format!("`{}` is not a SHA-256", hash.value), help);
            }
        }
        for key in authored.keys {
            if PublicKey::from_base64(&key.value).is_err() {
                let help = "write the second line of a minisign.pub, which begins with RW";
                self.complain(&key.span, format!("`{}` is not a public key of minisign", key.value), help);
            } else if trust.keys.contains(&key.value) {
                self.complain(&key.span, "this key is listed twice", "leave one of them out");
            } else {
                trust.keys.push(key.value);
            }
        }
        let keys = trust.keys.len().max(1) as u32;
        trust.required = self.within("required", &authored.required, 1, (1, keys));
        trust
    }
}
