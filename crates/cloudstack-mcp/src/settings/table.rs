//! Every setting there is, each one documented field: its name in the file, its variable, the manual and the reading of
//! it all follow from the field. Profiles are tables of their own, see `profiles`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use cloudstack_api::catalog::Release;

use super::{
    layers::{Layer, variable},
    value::{Asking, Color, DigestName, Format, Method, Speed, SurfaceName, Value},
};

/// A setting as the manual shows it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The table of the file; empty for its top.
    pub(crate) table: &'static str,
    /// The key in that table.
    pub(crate) key: &'static str,
    /// The kind of value.
    pub(crate) kind: &'static str,
    /// The default as it would be written; empty for none.
    pub(crate) default: String,
    /// The flag, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// The variable, where there is one.
    pub(crate) variable: Option<String>,
    /// What it does.
    pub(crate) text: String,
}

/// A table of settings.
pub(crate) trait Table: Sized {
    /// Its name in the file; empty for the top.
    const NAME: &'static str;

    /// Reads each setting.
    fn read(layer: &mut Layer<'_, '_>) -> Self;

    /// The settings as the manual shows them.
    fn rows() -> Vec<Row>;
}

/// A struct, its defaults, its reader and its rows in the manual, from one list of documented fields.
macro_rules! settings {
    ($(#[doc = $about:literal])+ $name:ident in $table:literal { $($(#[doc = $text:literal])+ $field:ident: $kind:ty = $default:expr $(, flag $flag:literal)?;)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone)]
        pub(crate) struct $name { $($(#[doc = $text])+ pub(crate) $field: $kind,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Table for $name {
            const NAME: &'static str = $table;

            fn read(layer: &mut Layer<'_, '_>) -> Self {
                Self { $($field: layer.take(stringify!($field), [$($flag)?].first().copied(), $default),)+ }
            }

            fn rows() -> Vec<Row> {
                vec![$(Row {
                    table: $table,
                    key: stringify!($field),
                    kind: <$kind as Value>::KIND,
                    default: Value::show(&{ let default: $kind = $default; default }),
                    flag: [$($flag)?].first().copied(),
                    variable: (!$table.starts_with("profiles.")).then(|| variable($table, stringify!($field))),
                    text: concat!($($text),+).trim().to_owned(),
                }),+]
            }
        }
    };
}

settings! {
    /// What applies to every verb.
    General in "" {
        /// The profile that is used where none is named: one of `[profiles]`, `cmk:NAME`, `cs:REGION`, `env` or `embedded`.
        profile: Option<String> = None, flag "--profile";
        /// How results are written.
        output: Format = Format::Human, flag "--output";
        /// Whether colours are written; `NO_COLOR` turns `auto` off.
        color: Color = Color::Auto, flag "--color";
        /// Whether progress, notes and warnings are left out.
        quiet: bool = false, flag "--quiet";
        /// The CloudStack release to assume instead of asking the server.
        release: Option<Release> = None, flag "--release";
        /// Whether only calls that change nothing may pass, by what each call can do and not by its name.
        read_only: bool = false, flag "--read-only";
        /// The file to which every call is appended, refused ones too, in a chain that shows tampering; none without it.
        audit_file: Option<PathBuf> = None;
        /// The folder in which secrets out of results are put for you, each in a file that only you can read, instead of being shown.
        secrets_dir: Option<PathBuf> = None;
        /// What is logged to standard error: `error`, `warn`, `info`, `debug`, or a filter such as `warn,cloudstack_engine=debug`.
        log: String = "warn,rmcp=error".to_owned();
    }
}

settings! {
    /// The MCP server.
    Serve in "serve" {
        /// The tools that clients see.
        surface: SurfaceName = SurfaceName::Compact, flag "--surface";
        /// The address at which MCP is served over HTTP (path `/mcp`) instead of standard input and output.
        http: Option<SocketAddr> = None, flag "--http";
        /// The families of commands that clients see; all of them if empty. The typed surface then leaves out the families of plugins, which `all` or their names bring in. `cloudstack-mcp search --families` lists them.
        toolsets: Vec<String> = Vec::new(), flag "--toolsets";
        /// The tools, by name, that clients see; all of them if empty.
        tools: Vec<String> = Vec::new(), flag "--tools";
        /// Further profiles that callers may name besides the one in use.
        profiles: Vec<String> = Vec::new(), flag "--profiles";
        /// The values of the `Host` header that are answered, besides those of the loopback.
        allowed_hosts: Vec<String> = Vec::new(), flag "--allowed-hosts";
        /// The web origins that are answered, besides those of the loopback.
        allowed_origins: Vec<String> = Vec::new(), flag "--allowed-origins";
        /// Whether an address that others can reach may be served without tokens in `[serve.tokens]`.
        allow_anonymous: bool = false, flag "--allow-anonymous";
    }
}

settings! {
    /// Approvals of calls that disrupt, destroy or raze.
    Approvals in "approval" {
        /// Whether a person is asked, or such calls are refused.
        mode: Asking = Asking::Ask;
        /// How long an approval can be given.
        ttl_seconds: Duration = Duration::from_secs(300);
        /// A file of 64 hexadecimal digits, the key of the seals, for replicas that share approvals; a random one of the process without it.
        key_file: Option<PathBuf> = None;
    }
}

settings! {
    /// How much of everything.
    Limits in "limits" {
        /// How long the MCP server waits for a job before it hands back the job's id; common clients give up after 60 s.
        wait_seconds: Duration = Duration::from_secs(50);
        /// How long the command line waits for a job.
        cli_wait_seconds: Duration = Duration::from_secs(1800), flag "--timeout";
        /// The most rows that a list brings.
        items_max: usize = 5_000;
    }
}

settings! {
    /// The embedded cloud: in memory, gone with the process.
    EmbeddedCloud in "embedded" {
        /// The seed of its world: the same seed makes the same names, ids and keys.
        seed: u64 = 1, flag "--seed";
        /// Virtual machines besides the handful that are always there.
        vms: usize = 0, flag "--vms";
        /// Which of its identities calls are made as; `cloudstack-mcp simulate` lists them.
        identity: String = "admin".to_owned();
        /// How long its jobs take: seconds as people expect, or no time at all.
        speed: Speed = Speed::Normal, flag "--speed";
    }
}

settings! {
    /// One profile: where and as whom. Give a key pair, or user name and password; each secret as value, file or command.
    ProfileTable in "profiles.NAME" {
        /// The URL of the API, such as `https://cloud.example/client/api`.
        url: Option<String> = None;
        /// The API key.
        api_key: Option<String> = None;
        /// A file that holds the API key.
        api_key_file: Option<PathBuf> = None;
        /// A command that prints the API key.
        api_key_command: Option<String> = None;
        /// The secret key.
        secret_key: Option<String> = None;
        /// A file that holds the secret key.
        secret_key_file: Option<PathBuf> = None;
        /// A command that prints the secret key.
        secret_key_command: Option<String> = None;
        /// The user's name, where there are no keys.
        username: Option<String> = None;
        /// The password.
        password: Option<String> = None;
        /// A file that holds the password.
        password_file: Option<PathBuf> = None;
        /// A command that prints the password.
        password_command: Option<String> = None;
        /// The domain's path for a log-in by password, such as `/acme`; the root domain without it.
        domain: Option<String> = None;
        /// Whether the server's certificate is verified.
        verify_tls: bool = true;
        /// A file of PEM certificates to trust besides those of the platform.
        ca_file: Option<PathBuf> = None;
        /// The proxy to go through, such as `http://proxy.example:3128`; that of the environment without it.
        proxy: Option<String> = None;
        /// Whether arguments travel in a body or in the URL.
        http_method: Method = Method::Post;
        /// The digest inside signatures.
        digest: DigestName = DigestName::Sha1;
        /// How long to wait for a connection.
        connect_timeout_seconds: Duration = Duration::from_secs(10);
        /// How long to wait for the answer to a call that changes nothing.
        read_timeout_seconds: Duration = Duration::from_secs(60);
        /// How long to wait for the answer to any other call.
        write_timeout_seconds: Duration = Duration::from_secs(300);
        /// The most calls a second that are sent; no limit without it.
        rate: Option<f64> = None;
    }
}

/// Every setting, table by table, as the manual shows them.
pub(crate) fn rows() -> Vec<Row> {
    [General::rows(), Serve::rows(), Approvals::rows(), Limits::rows(), EmbeddedCloud::rows(), ProfileTable::rows()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_has_a_text_that_is_a_sentence() {
        for row in rows() {
            assert!(row.text.ends_with('.') && row.text.chars().next().is_some_and(char::is_uppercase), "{}.{}: `{}`", row.table, row.key, row.text);
        }
    }

    #[test]
    fn no_two_settings_share_a_variable() {
        let rows = rows();
        let variables: Vec<_> = rows.iter().filter_map(|row| row.variable.as_deref()).collect();
        let distinct: BTreeSet<_> = variables.iter().collect();
        assert_eq!(variables.len(), distinct.len());
    }

    #[test]
    fn a_time_has_its_unit_in_its_name() {
        for row in rows().iter().filter(|row| row.kind == "seconds") {
            assert!(row.key.ends_with("_seconds"), "{}", row.key);
        }
    }
}
