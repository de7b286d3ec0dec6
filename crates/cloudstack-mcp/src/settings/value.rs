//! The kinds of value that a setting can have: how each is read from text (flags, environment) and from TOML, and how
//! its default is shown in the manual.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use cloudstack_api::catalog::Release;
use toml_edit::Value as Toml;

/// A kind of value that a setting can have.
pub(crate) trait Value: Sized {
    /// The kind in the manual: `text`, `seconds`, `a | b`.
    const KIND: &'static str;

    /// Reads a flag or a variable; the error completes the sentence "`name` …".
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a value of the settings file; by default its text must be readable, in quotes or not.
    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text.value()),
            Toml::Integer(number) => Self::from_text(&number.value().to_string()),
            Toml::Float(number) => Self::from_text(&number.value().to_string()),
            Toml::Boolean(truth) => Self::from_text(&truth.value().to_string()),
            Toml::Datetime(_) | Toml::Array(_) | Toml::InlineTable(_) => Err(format!("takes {}", Self::KIND)),
        }
    }

    /// The value as it would be written in the settings file; empty for none.
    fn show(&self) -> String;
}

impl Value for String {
    const KIND: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for bool {
    const KIND: &'static str = "true | false";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("is `{text}`; it takes true or false")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for u64 {
    const KIND: &'static str = "number";

    fn from_text(text: &str) -> Result<Self, String> {
        text.replace('_', "").parse().map_err(|_| format!("is `{text}`; it takes a whole number"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    const KIND: &'static str = "number";

    fn from_text(text: &str) -> Result<Self, String> {
        text.replace('_', "").parse().map_err(|_| format!("is `{text}`; it takes a whole number"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for f64 {
    const KIND: &'static str = "number";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|number: &Self| number.is_finite() && *number > 0.0).ok_or_else(|| format!("is `{text}`; it takes a number above 0"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const KIND: &'static str = "seconds";

    fn from_text(text: &str) -> Result<Self, String> {
        let plain = text.strip_suffix('s').unwrap_or(text);
        let seconds = plain.parse().ok().and_then(|seconds| Self::try_from_secs_f64(seconds).ok());
        seconds.ok_or_else(|| format!("is `{text}`; it takes seconds"))
    }

    fn show(&self) -> String {
        self.as_secs_f64().to_string()
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SocketAddr {
    const KIND: &'static str = "ADDRESS:PORT";

    fn from_text(text: &str) -> Result<Self, String> {
        let local = text.replace("localhost:", "127.0.0.1:");
        let whole = if local.starts_with(':') { format!("127.0.0.1{local}") } else { local };
        whole.parse().map_err(|_| format!("is `{text}`; it takes an address and a port, as in `127.0.0.1:8080`"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Release {
    const KIND: &'static str = "release such as 4.22";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is `{text}`; it takes a release such as `4.22` or `4.22.1`"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Vec<String> {
    const KIND: &'static str = "list of texts";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Some(items) = value.as_array() else {
            return value.as_str().ok_or_else(|| "takes a list of texts".to_owned()).and_then(Self::from_text);
        };
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| "takes texts only".to_owned())).collect()
    }

    fn show(&self) -> String {
        self.join(",")
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;

    fn from_text(text: &str) -> Result<Self, String> {
        T::from_text(text).map(Some)
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        T::from_toml(value).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

/// An enumeration whose words are read in any case.
macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident = $kind:literal { $($(#[doc = $text:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[doc = $text])+ $variant),+ }

        impl $name {
            /// The words for its values.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl Value for $name {
            const KIND: &'static str = $kind;

            fn from_text(text: &str) -> Result<Self, String> {
                match text.to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("is `{text}`; it takes one of {}", Self::WORDS.join(", "))),
                }
            }

            fn show(&self) -> String {
                match self { $(Self::$variant => $word.to_owned()),+ }
            }
        }
    };
}

words! {
    /// How results are written.
    Format = "human | json | table | csv" {
        /// For people: key and value for an object, a table with a footer for a list.
        Human = "human",
        /// One JSON document.
        Json = "json",
        /// A table and nothing else.
        Table = "table",
        /// RFC 4180, one row an item.
        Csv = "csv",
    }
}

words! {
    /// Whether colours are written.
    Color = "auto | always | never" {
        /// On a terminal, unless `NO_COLOR` is set.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

words! {
    /// Which set of tools clients see.
    SurfaceName = "compact | typed" {
        /// About ten tools over the whole catalog.
        Compact = "compact",
        /// One tool a command.
        Typed = "typed",
    }
}

words! {
    /// How long the jobs of the embedded cloud take.
    Speed = "normal | instant" {
        /// A second or two.
        Normal = "normal",
        /// No time.
        Instant = "instant",
    }
}

words! {
    /// What happens to calls that need an approval.
    Asking = "ask | refuse" {
        /// A person is asked.
        Ask = "ask",
        /// They are refused.
        Refuse = "refuse",
    }
}

words! {
    /// Whether arguments travel in a body or in the URL.
    Method = "post | get | auto" {
        /// In a body.
        Post = "post",
        /// In the URL.
        Get = "get",
        /// In the URL for short reads without secrets, in a body otherwise.
        Auto = "auto",
    }
}

words! {
    /// Which digest signs.
    DigestName = "sha1 | sha512 | auto" {
        /// HMAC-SHA1.
        Sha1 = "sha1",
        /// HMAC-SHA512.
        Sha512 = "sha512",
        /// Whichever the server takes.
        Auto = "auto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_loopback() {
        for text in ["127.0.0.1:8080", "localhost:8080", ":8080"] {
            assert_eq!(SocketAddr::from_text(text).unwrap(), SocketAddr::from(([127, 0, 0, 1], 8080)));
        }
        assert!(SocketAddr::from_text("8080").unwrap_err().contains("127.0.0.1:8080"));
    }

    #[test]
    fn a_word_that_is_none_is_refused_with_the_words_there_are() {
        assert_eq!(Format::from_text("xml").unwrap_err(), "is `xml`; it takes one of human, json, table, csv");
        assert_eq!(Format::from_text("JSON").unwrap(), Format::Json);
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for format in Format::WORDS {
            assert_eq!(Format::from_text(format).unwrap().show(), *format);
        }
        assert_eq!(Duration::from_text("1.5").unwrap().show(), "1.5");
        assert_eq!(Vec::<String>::from_text("a, b,").unwrap().show(), "a,b");
    }

    #[test]
    fn no_time_is_negative() {
        assert!(Duration::from_text("-1").is_err());
        assert!(f64::from_text("0").is_err());
    }
}
