//! Names, numbers and addresses in a request: they say of what kind a thing is, never which command is meant.

/// Ports that people name without saying "port".
const PORTS: &[&str] = &["22", "25", "53", "80", "443", "1194", "3306", "3389", "5432", "5900", "6443", "8080", "8443"];
/// How names of hypervisor hosts start.
const HOST_STARTS: &[&str] = &["kvm", "esx", "hv", "xen", "hypervisor"];

/// A request with its literals replaced by the word for their kind, or left out.
pub(super) fn generalise(request: &str) -> String {
    let words = without_quotes(request);
    words.split_whitespace().map(|word| kind(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// What a literal stands for; `None` for ordinary words.
fn kind(word: &str) -> Option<&'static str> {
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    if !bare.bytes().any(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let numeric = bare.bytes().all(|letter| letter.is_ascii_digit() || matches!(letter, b'.' | b'/' | b':' | b'-'));
    if numeric {
        return Some(match (bare.matches('.').count(), bare.contains('/')) {
            (3.., true) => "cidr",
            (3.., false) => "address",
            _ if PORTS.contains(&bare) => "port",
            _ => "",
        });
    }
    let (start, end) = bare.rsplit_once(['-', '_'])?;
    let numbered = end.bytes().all(|letter| letter.is_ascii_digit()) && start.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    numbered.then(|| if HOST_STARTS.contains(&start) { "host" } else { "vm" })
}

/// What stands between double quotes is a name.
fn without_quotes(request: &str) -> String {
    let parts: Vec<&str> = request.split('"').collect();
    if parts.len() < 3 {
        return request.to_owned();
    }
    parts.into_iter().step_by(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_their_kind() {
        assert_eq!(generalise("open 443 on 203.0.113.9"), "open port on address");
        assert_eq!(generalise("a LAN 10.0.0.0/24 for \"my shop\""), "a LAN cidr for");
        assert_eq!(generalise("move web-01 to kvm-07"), "move vm to host");
        assert_eq!(generalise("k8s and s3 with IPv6"), "k8s and s3 with IPv6");
    }
}
