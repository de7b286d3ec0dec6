//! The environment, read once. Nothing else in the program looks at variables, the home or the working directory.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

/// What the names of our own variables begin with.
pub(crate) const OWN_PREFIX: &str = "CLOUDSTACK_MCP_";
/// The folder that is ours inside the folders of the platform.
const FOLDER: &str = "cloudstack-mcp";

/// The environment of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// This very program, to start it once more.
    pub(crate) program: PathBuf,
    /// Whether a person types at standard input.
    pub(crate) stdin_is_terminal: bool,
    /// Whether a person reads standard output.
    pub(crate) stdout_is_terminal: bool,
    /// Whether a person reads standard error.
    pub(crate) stderr_is_terminal: bool,
    /// The columns of the terminal, where there is one.
    pub(crate) columns: Option<usize>,
}

impl Environment {
    /// Reads it. Variables that are empty or no Unicode count as not set.
    pub(crate) fn read() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let variables: BTreeMap<String, String> = std::env::vars_os().filter_map(text).filter(|(_, value)| !value.is_empty()).collect();
        let told = variables.get("COLUMNS").and_then(|columns| columns.parse().ok());
        Self {
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("cloudstack-mcp")),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            columns: told.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))),
            variables,
        }
    }

    /// An environment of these variables alone.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self { variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), ..Self::default() }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names of the variables that begin with `prefix`.
    pub(crate) fn names_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables.range(prefix.to_owned()..).map(|(name, _)| name.as_str()).take_while(move |name| name.starts_with(prefix))
    }

    /// The home of the user.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }

    /// Where our settings are.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.folder("XDG_CONFIG_HOME", "APPDATA", ".config").map(|folder| folder.join("config.toml"))
    }

    /// Where we keep what is to outlive the process: the key of approvals, secrets out of results.
    pub(crate) fn state_folder(&self) -> Option<PathBuf> {
        self.folder("XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
    }

    /// The proxy that the environment names for a URL, unless it exempts the host.
    pub(crate) fn proxy(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let host = host_of(rest);
        let any = |names: &[&str]| names.iter().find_map(|name| self.variable(name)).map(str::to_owned);
        let exempt = any(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
        let is_exempt = exempt.split(',').map(|suffix| suffix.trim().trim_start_matches('.')).filter(|suffix| !suffix.is_empty()).any(|suffix| {
            let end = host.strip_suffix(suffix);
            suffix == "*" || end.is_some_and(|start| start.is_empty() || start.ends_with('.'))
        });
        if is_exempt || host == "localhost" || host.starts_with("127.") || host == "::1" {
            return None;
        }
        // The upper-case name of the plain one can be set by a request header in CGI programs, hence only the lower-case one counts.
        if scheme == "https" { any(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) } else { any(&["http_proxy", "ALL_PROXY", "all_proxy"]) }
    }

    /// A path of the user's, with `~/` for the home.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), self.home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    fn folder(&self, unix: &str, windows: &str, below_home: &str) -> Option<PathBuf> {
        let told = self.variable(unix).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let on_windows = || cfg!(windows).then(|| self.variable(windows)).flatten().map(PathBuf::from);
        let base = told.or_else(on_windows).or_else(|| self.home().map(|home| home.join(below_home)))?;
        Some(base.join(FOLDER))
    }
}

fn host_of(rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let plain = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    plain.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_taken_from_the_environment_but_for_exempt_hosts() {
        let environment = Environment::of(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "inside.example, .lan")]);
        assert_eq!(environment.proxy("https://cloud.example:8443/client/api").as_deref(), Some("http://proxy:3128"));
        for url in
            ["https://inside.example/x", "https://a.inside.example/x", "https://b.lan/", "http://cloud.example/", "https://127.0.0.1/", "https://[::1]:8443/"]
        {
            assert_eq!(environment.proxy(url), None, "{url}");
        }
        assert_eq!(environment.proxy("https://notinside.example/").as_deref(), Some("http://proxy:3128"));
    }

    #[test]
    fn folders_follow_the_platform_and_a_relative_one_is_ignored() {
        let environment = Environment::of(&[("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "relative"), ("XDG_STATE_HOME", "/state")]);
        assert_eq!(environment.config_file().unwrap(), Path::new("/home/ada/.config/cloudstack-mcp/config.toml"));
        assert_eq!(environment.state_folder().unwrap(), Path::new("/state/cloudstack-mcp"));
        assert_eq!(environment.path(Path::new("~/ca.pem")), Path::new("/home/ada/ca.pem"));
    }
}
