//! Seals: what an approval is bound to, encrypted so that nobody else can make or change one, and used once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Says what is sealed and in which form; part of what the cipher authenticates.
const PURPOSE: &[u8] = b"cloudstack approval 1";
const NONCE_BYTES: usize = 24;
/// How many used seals are remembered; when so many are still valid, no more are taken.
const USED_MAX: usize = 10_000;

/// What an approval is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bond {
    pub(crate) principal: String,
    pub(crate) profile: String,
    pub(crate) command: String,
    /// A digest of the arguments as they travel.
    pub(crate) arguments: String,
    /// A digest of the state that was read.
    pub(crate) state: String,
    /// What the person must type.
    pub(crate) typed: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    id: String,
    expires: u64,
    bond: Bond,
}

/// Why a seal is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealFault {
    #[error("the approval was not given by this program, or has been changed")]
    Forged,
    #[error("the approval has expired")]
    Expired,
    #[error("the approval was given for another call")]
    OtherCall,
    #[error("the state of the cloud has changed since the plan was shown")]
    StateChanged,
    #[error("what was typed is not the name that the plan asks for")]
    NotTyped,
    #[error("the approval has been used")]
    Used,
    #[error("too many approvals are in use")]
    TooMany,
}

/// Makes seals and takes them back once.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    used: Mutex<HashMap<String, u64>>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

impl Sealer {
    /// With a key of the operator's, or a random one that dies with the process.
    pub(crate) fn new(key: Option<[u8; 32]>) -> Self {
        let key = key.map_or_else(|| XChaCha20Poly1305::generate_key(&mut OsRng), Into::into);
        Self { cipher: XChaCha20Poly1305::new(&key), used: Mutex::new(HashMap::new()) }
    }

    /// Seals a bond until a moment of the wall clock; empty if that is impossible, which no seal is.
    pub(crate) fn seal(&self, bond: &Bond, expires: Duration) -> String {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let id = URL_SAFE_NO_PAD.encode(nonce);
        let Ok(text) = serde_json::to_vec(&Sealed { id, expires: expires.as_secs(), bond: bond.clone() }) else { return String::new() };
        let Ok(cipher) = self.cipher.encrypt(&nonce, Payload { msg: &text, aad: PURPOSE }) else { return String::new() };
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &cipher].concat())
    }

    /// Takes a seal for what is about to be done, and never again.
    pub(crate) fn consume(&self, seal: &str, bond: &Bond, typed: Option<&str>, now: Duration) -> Result<(), SealFault> {
        let sealed = self.open(seal).ok_or(SealFault::Forged)?;
        let now = now.as_secs();
        if sealed.expires <= now {
            return Err(SealFault::Expired);
        }
        let Bond { principal, profile, command, arguments, state, typed: wanted } = &sealed.bond;
        if (principal, profile, command, arguments) != (&bond.principal, &bond.profile, &bond.command, &bond.arguments) {
            return Err(SealFault::OtherCall);
        }
        if (state, wanted) != (&bond.state, &bond.typed) {
            return Err(SealFault::StateChanged);
        }
        if wanted.as_deref().is_some_and(|wanted| typed.map(str::trim) != Some(wanted.trim())) {
            return Err(SealFault::NotTyped);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expires| *expires > now);
        if used.contains_key(&sealed.id) {
            return Err(SealFault::Used);
        }
        if used.len() >= USED_MAX {
            return Err(SealFault::TooMany);
        }
        used.insert(sealed.id, sealed.expires);
        Ok(())
    }

    fn open(&self, seal: &str) -> Option<Sealed> {
        let bytes = URL_SAFE_NO_PAD.decode(seal.trim()).ok()?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_BYTES)?;
        let text = self.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: cipher, aad: PURPOSE }).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// A SHA-256 in hex.
pub(crate) fn digest(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn bond() -> Bond {
        let text = str::to_owned;
        Bond { principal: text("cli"), profile: text("lab"), command: text("c"), arguments: text("a"), state: text("s"), typed: Some(text("web-1")) }
    }

    fn taken(change: impl Fn(&mut Bond), typed: Option<&str>, now: u64) -> Result<(), SealFault> {
        let sealer = Sealer::new(None);
        let seal = sealer.seal(&bond(), NOW + Duration::from_secs(60));
        let mut bond = bond();
        change(&mut bond);
        sealer.consume(&seal, &bond, typed, Duration::from_secs(now))
    }

    #[test]
    fn a_seal_is_taken_once_and_only_for_what_it_was_given_for() {
        assert_eq!(taken(|_| {}, Some("web-1"), 1_059), Ok(()));
        assert_eq!(taken(|_| {}, Some("web-1"), 1_060), Err(SealFault::Expired));
        assert_eq!(taken(|bond| bond.principal.push('x'), Some("web-1"), 1_000), Err(SealFault::OtherCall));
        assert_eq!(taken(|bond| bond.arguments.push('x'), Some("web-1"), 1_000), Err(SealFault::OtherCall));
        assert_eq!(taken(|bond| bond.state.push('x'), Some("web-1"), 1_000), Err(SealFault::StateChanged));
        assert_eq!(taken(|_| {}, None, 1_000), Err(SealFault::NotTyped));
        assert_eq!(taken(|_| {}, Some("web-2"), 1_000), Err(SealFault::NotTyped));
    }

    #[test]
    fn a_used_seal_is_refused_and_a_mistyped_one_can_be_tried_again() {
        let sealer = Sealer::new(Some([7; 32]));
        let seal = sealer.seal(&bond(), NOW + Duration::from_secs(60));
        assert_eq!(sealer.consume(&seal, &bond(), Some("wbe-1"), NOW), Err(SealFault::NotTyped));
        assert_eq!(sealer.consume(&seal, &bond(), Some("web-1"), NOW), Ok(()));
        assert_eq!(sealer.consume(&seal, &bond(), Some("web-1"), NOW), Err(SealFault::Used));
    }

    #[test]
    fn seals_of_others_and_changed_ones_are_forged() {
        let seal = Sealer::new(None).seal(&bond(), NOW + Duration::from_secs(60));
        let sealer = Sealer::new(None);
        assert_eq!(sealer.consume(&seal, &bond(), Some("web-1"), NOW), Err(SealFault::Forged));
        let mut own = sealer.seal(&bond(), NOW + Duration::from_secs(60));
        own.replace_range(60..61, if own.get(60..61) == Some("A") { "B" } else { "A" });
        assert_eq!(sealer.consume(&own, &bond(), Some("web-1"), NOW), Err(SealFault::Forged));
        assert_eq!(sealer.consume("", &bond(), None, NOW), Err(SealFault::Forged));
    }
}
