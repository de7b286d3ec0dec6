//! Second factors: codes beside the password, which sessions need before they may call anything else.
//!
//! Calls with keys need none. The codes that change with time are those of RFC 6238, as apps on telephones show them.

use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha1::Sha1;

use super::{Tables, tenancy};
use crate::{
    kind::{Shown, Viewer},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// The command that checks a code. It is the session's, so it is answered before any other command would be looked for.
pub(crate) const VALIDATE: &str = "validateUserTwoFactorAuthenticationCode";
/// What a session may call before its code was checked.
const FREE: [&str; 4] = ["listIdps", "listApis", "listUserTwoFactorAuthenticatorProviders", "setupUserTwoFactorAuthentication"];
/// The setting that allows a second factor, and the one that wants it of everybody.
const ALLOWED: &str = "enable.user.2fa";
const WANTED: &str = "mandate.user.2fa";
/// The providers of second factors; the first is the usual one.
const PROVIDERS: &[&str] = &["totp", "staticpin"];
/// The letters of a key for codes that change with time, and how many such a key has.
const KEY_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const KEY_LENGTH: usize = 32;
/// How many bits a letter of such a key stands for, and how many a byte has.
const LETTER_BITS: u32 = 5;
const BYTE_BITS: u32 = 8;
/// How long a code holds, and the number of which it is the remainder.
const STEP: Duration = Duration::from_secs(30);
const CODES: u32 = 1_000_000;
/// The numbers that a fixed code lies between.
const PIN: std::ops::Range<u32> = 100_000..1_000_000;

/// The command of second factors.
pub(super) const TABLES: Tables = Tables { handlers: &[("setupUserTwoFactorAuthentication", set_up)], filters: &[] };

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It fits.
    Right,
    /// It does not, and the factor is in use.
    Wrong,
    /// It does not, and the factor, which was never used, is off again.
    WrongAtFirst,
    /// There is nothing to check it against.
    Nothing,
}

fn is_on(world: &World, name: &str, domain: Option<Handle>) -> bool {
    tenancy::setting_in(world, name, domain) == Some("true")
}

/// Whether a user must have a second factor.
fn is_mandated(world: &World, user: Handle) -> bool {
    let domain = world.domain_of(user);
    is_on(world, ALLOWED, domain) && is_on(world, WANTED, domain)
}

/// The member of users that says so.
pub(super) fn show_mandated(world: &World, user: Handle, _: Viewer) -> Option<Shown> {
    Some(Shown::Flag(is_mandated(world, user)))
}

/// Whether a session of a user needs a code.
pub(crate) fn is_needed(world: &World, user: Handle) -> bool {
    world.flag(user, "is2faenabled") || is_mandated(world, user)
}

/// Who checks a user's codes.
pub(crate) fn provider(world: &World, user: Handle) -> Option<&str> {
    world.text(user, "factor")
}

/// Forgets a factor that was set up and never used, as a login does.
pub(crate) fn clear_unused(world: &mut World, user: Handle) {
    if !world.flag(user, "factorverified") && (world.flag(user, "is2faenabled") || provider(world, user).is_some()) {
        take(world, user);
    }
}

fn take(world: &mut World, user: Handle) {
    world.set(user, "is2faenabled", false);
    ["factor", "factorkey", "factorverified"].into_iter().for_each(|name| world.unset(user, name));
}

/// Refuses a command to a session whose code was not checked yet.
pub(crate) fn check_session(world: &World, user: Handle, command: &str) -> Result<(), Refusal> {
    if FREE.iter().any(|free| free.eq_ignore_ascii_case(command)) || !is_needed(world, user) {
        return Ok(());
    }
    let missing = if provider(world, user).is_some() { "is enabled but not verified" } else { "is mandated and not set up" };
    Err(Refusal::second_factor(format!("Unable to process the API request: two factor authentication {missing}; the session has ended")))
}

/// Checks a code.
pub(crate) fn check_code(world: &mut World, user: Handle, code: &str) -> Checked {
    let Some((provider, key)) = provider(world, user).zip(world.text(user, "factorkey")).filter(|_| world.flag(user, "is2faenabled")) else {
        return Checked::Nothing;
    };
    let fits = match provider {
        "staticpin" => key == code,
        _ => code_at(key, world.now).is_some_and(|known| known == code),
    };
    let is_first = !world.flag(user, "factorverified");
    match (fits, is_first) {
        (true, _) => {
            world.set(user, "factorverified", true);
            Checked::Right
        }
        (false, true) => {
            take(world, user);
            Checked::WrongAtFirst
        }
        (false, false) => Checked::Wrong,
    }
}

/// The code that a key makes at a time.
fn code_at(key: &str, now: Duration) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(&decoded(key)).ok()?;
    mac.update(&(now.as_secs() / STEP.as_secs()).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let part: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(part) & 0x7fff_ffff) % CODES))
}

/// The bytes that the letters of a key stand for.
fn decoded(key: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(key.len()), 0_u32, 0_u32);
    for letter in key.bytes() {
        let Some(value) = KEY_LETTERS.iter().position(|known| *known == letter) else { continue };
        held = held << LETTER_BITS | u32::try_from(value).unwrap_or_default();
        bits += LETTER_BITS;
        if bits >= BYTE_BITS {
            bits -= BYTE_BITS;
            bytes.extend(u8::try_from(held >> bits & 0xff));
            held &= (1 << bits) - 1;
        }
    }
    bytes
}

fn set_up(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let object = turn.command.reply.object.clone().unwrap_or_else(|| "setup2fa".to_owned());
    if turn.arguments.truth("enable") == Some(false) {
        let user = turn.arguments.object("userid").unwrap_or(turn.caller.user);
        if !turn.may_use(user) {
            return Err(Refusal::permission());
        }
        take(turn.world, user);
        return Ok(Outcome::Shown(object, json!({"id": turn.world.id(user), "username": turn.world.text(user, "username")}).to_string()));
    }
    let domain = Some(turn.caller.domain);
    if !is_on(turn.world, ALLOWED, domain) && !is_on(turn.world, WANTED, domain) {
        return Err(Refusal::internal("2FA is not enabled for this domain or at global level"));
    }
    let default = tenancy::setting(turn, "user.2fa.default.provider").unwrap_or(PROVIDERS.first().copied().unwrap_or_default());
    let provider = turn.arguments.text("provider").unwrap_or(default).to_ascii_lowercase();
    if !PROVIDERS.contains(&provider.as_str()) {
        return Err(Refusal::internal(format!("Failed to find two factor authentication provider by the name: {provider}.")));
    }
    let code = match provider.as_str() {
        "staticpin" => turn.world.random.u32(PIN).to_string(),
        _ => (0..KEY_LENGTH).filter_map(|_| KEY_LETTERS.get(turn.world.random.usize(..KEY_LETTERS.len())).copied().map(char::from)).collect(),
    };
    let user = turn.caller.user;
    take(turn.world, user);
    turn.world.set(user, "factor", provider);
    turn.world.set(user, "factorkey", code.as_str());
    turn.world.set(user, "is2faenabled", true);
    Ok(Outcome::Shown(object, json!({"id": turn.world.id(user), "username": turn.world.text(user, "username"), "secretcode": code}).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // The vectors of RFC 6238 for the key `12345678901234567890`, cut to six digits.
        let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(decoded(key), b"12345678901234567890");
        assert_eq!(code_at(key, Duration::from_secs(59)).as_deref(), Some("287082"));
        assert_eq!(code_at(key, Duration::from_secs(1_111_111_109)).as_deref(), Some("081804"));
    }
}
