//! Which source wins, what is refused, and that nothing is ever mixed.

use super::*;

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let home = self.folder.path().to_str().unwrap();
        Environment::of(&[&[("HOME", home)], variables].concat())
    }

    fn read(&self, config: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Report> {
        let path = self.file("config.toml", config);
        let flags = flags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Settings::read(&flags, Some(path), self.environment(variables))
    }
}

const PROD: &str = "[profiles.prod]\nurl = \"https://prod.example/client/api\"\napi_key = \"K\"\nsecret_key = \"S\"\n";
const VARIABLES: [(&str, &str); 3] = [("CLOUDSTACK_API_URL", "https://env.example"), ("CLOUDSTACK_API_KEY", "EK"), ("CLOUDSTACK_SECRET_KEY", "ES")];

fn texts(report: &Report) -> String {
    serde_json::to_string(&report.to_value()).unwrap()
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let home = Home::new();
    let output = |config, variables, flags| home.read(config, variables, flags).unwrap().general.output;
    assert_eq!(output("", &[], &[]), Format::Human);
    assert_eq!(output("output = \"csv\"", &[], &[]), Format::Csv);
    assert_eq!(output("output = \"csv\"", &[("CLOUDSTACK_MCP_OUTPUT", "table")], &[]), Format::Table);
    assert_eq!(output("output = \"csv\"", &[("CLOUDSTACK_MCP_OUTPUT", "table")], &[("output", "json")]), Format::Json);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let config = "outptu = \"json\"\nquiet = 3\n[serve]\nsurface = \"huge\"\n[profiles.prod]\napikey = \"K\"\n[profiles.embedded]\n[policy]\nrulez = []\n";
    let report = Home::new().read(config, &[("CLOUDSTACK_MCP_READONLY", "1")], &[]).err().unwrap();
    let text = texts(&report);
    for part in
        ["outptu", "did you mean `output`?", "quiet", "surface", "did you mean `api_key`?", "embedded", "rulez", "did you mean `CLOUDSTACK_MCP_READ_ONLY`?"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn without_any_profile_it_is_the_embedded_cloud() {
    assert_eq!(Home::new().read("", &[], &[]).unwrap().selected().unwrap().origin, Origin::Embedded);
}

#[test]
fn the_environment_beats_the_file_and_a_named_profile_beats_the_environment() {
    let home = Home::new();
    let config = format!("profile = \"prod\"\n{PROD}");
    let selected = |variables: &[(&str, &str)], flags: &[(&str, &str)]| home.read(&config, variables, flags).unwrap().selected().unwrap().name;
    assert_eq!(selected(&[], &[]), "prod");
    assert_eq!(selected(&VARIABLES, &[]), "env");
    assert_eq!(selected(&VARIABLES, &[("profile", "prod")]), "prod");
    assert_eq!(selected(&[&VARIABLES[..], &[("CLOUDSTACK_MCP_PROFILE", "embedded")]].concat(), &[]), "embedded");
}

#[test]
fn one_profile_of_the_file_is_the_default_and_of_several_one_must_be_named() {
    let home = Home::new();
    assert_eq!(home.read(PROD, &[], &[]).unwrap().selected().unwrap().name, "prod");
    let report = home.read(&format!("{PROD}{}", PROD.replace("prod", "test")), &[], &[]).unwrap().selected().err().unwrap();
    assert!(texts(&report).contains("prod, test"));
}

#[test]
fn a_part_of_a_source_is_refused_with_what_is_missing() {
    let home = Home::new();
    for variables in [&VARIABLES[..1], &VARIABLES[1..], &[VARIABLES[0], ("CLOUDSTACK_KEY", "K"), ("CLOUDSTACK_SECRET", "S")]] {
        let settings = home.read(&format!("profile = \"prod\"\n{PROD}"), variables, &[]).unwrap();
        let report = settings.profile(&settings.selected().unwrap()).err().unwrap();
        assert!(report.message.contains("one source as a whole"), "{}", report.message);
        assert!(!texts(&report).contains("\"S\""));
    }
}

#[test]
fn a_variable_for_one_value_of_a_profile_of_the_file_is_refused() {
    let settings = Home::new().read(PROD, &[("CLOUDSTACK_PROD_SECRET_KEY", "other")], &[]).unwrap();
    let report = settings.profile(&settings.selected().unwrap()).err().unwrap();
    assert!(report.message.contains("CLOUDSTACK_PROD_API_URL"), "{}", report.message);
}

#[test]
fn variables_with_a_name_in_their_middle_are_a_profile() {
    let variables = [("CLOUDSTACK_BIG_LAB_API_URL", "https://lab.example"), ("CLOUDSTACK_BIG_LAB_API_KEY", "K"), ("CLOUDSTACK_BIG_LAB_SECRET_KEY", "S")];
    let settings = Home::new().read(PROD, &variables, &[("profile", "big-lab")]).unwrap();
    assert_eq!(settings.profile(&settings.selected().unwrap()).unwrap().url, "https://lab.example");
}

#[test]
fn both_families_of_variables_are_understood() {
    let variables = [("CLOUDSTACK_ENDPOINT", "https://cs.example"), ("CLOUDSTACK_KEY", "K"), ("CLOUDSTACK_SECRET", "S"), ("CLOUDSTACK_VERIFY", "/etc/ca.pem")];
    let settings = Home::new().read("", &variables, &[]).unwrap();
    let profile = settings.profile(&settings.selected().unwrap()).unwrap();
    assert_eq!((profile.url.as_str(), profile.ca_file), ("https://cs.example", Some(PathBuf::from("/etc/ca.pem"))));
}

#[test]
fn the_files_of_other_clients_are_read_as_they_are() {
    let home = Home::new();
    home.file(".cmk/config", "verifycert = false\nprofile = lab\n[lab]\nurl = http://lab.example:8080/client/api\nusername = admin\npassword = password\ndomain = /\napikey = AK\nsecretkey = SK\n[both]\nurl = http://b/\nusername = u\npassword = p\n");
    home.file(
        ".cloudstack.ini",
        "[exo]\nendpoint = https://exo.example\nkey = K\nsecret = S\nmethod = post\n[both]\nendpoint = https://c/\nkey = K\nsecret = S\n",
    );
    let settings = home.read("", &[], &[]).unwrap();
    assert_eq!(settings.selected().unwrap().origin, Origin::Embedded, "a profile of another client is used by name only");
    let lab = settings.profile(&settings.entry("lab").unwrap()).unwrap();
    assert!(
        matches!(&lab.credentials, cloudstack_engine::Credentials::Keys { api_key, .. } if api_key == "AK"),
        "keys alone, never the password of the template"
    );
    assert!(!lab.verify_tls);
    assert_eq!(settings.entry("exo").unwrap().name, "cs:exo");
    assert!(texts(&settings.entry("both").err().unwrap()).contains("cmk:both, cs:both"));
    assert!(settings.entry("cmk:both").is_ok());
    assert!(texts(&settings.entry("lap").err().unwrap()).contains("did you mean"));
}

#[cfg(unix)]
#[test]
fn a_file_with_secrets_that_others_can_read_brings_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let path = home.file("config.toml", PROD);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let read = || Settings::read(&Flags::new(), Some(path.clone()), home.environment(&[])).unwrap().warnings;
    assert!(read().first().is_some_and(|warning| warning.contains("chmod 600")));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(read().is_empty());
}

#[test]
fn a_settings_file_that_is_named_must_exist_and_its_text_is_never_shown() {
    let home = Home::new();
    let missing = Settings::read(&Flags::new(), Some(home.folder.path().join("none.toml")), home.environment(&[])).err().unwrap();
    assert_eq!(missing.kind, ReportKind::Config);
    let report = home.read("secret_key = \"hush\nx", &[], &[]).err().unwrap();
    assert!(report.message.contains("is no TOML, line") && !report.message.contains("hush"), "{}", report.message);
}

#[test]
fn the_key_of_approvals_is_sixty_four_digits() {
    let home = Home::new();
    let path = home.file("key", &"0f".repeat(32));
    assert_eq!(key(&path).unwrap(), [15; 32]);
    assert!(key(&home.file("short", "0f")).is_err());
}

#[test]
fn bearer_tokens_come_with_who_has_them() {
    let settings = Home::new().read("[serve.tokens]\nada = \"T1\"\nbob = { command = \"echo T2\" }\n", &[], &[]).unwrap();
    let tokens = settings.bearer_tokens().unwrap();
    assert_eq!(tokens.get("T1").map(String::as_str), Some("ada"));
    assert_eq!(tokens.get("T2").map(String::as_str), Some("bob"));
}
