//! A command and its parameters and reply, as CloudStack declares them, with what we know besides.
//!
//! A row, never a function: nothing here knows any particular command.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    encoding::MapEncoding,
    release::Release,
    risk::{Raise, Risk},
};

/// One command of the API in the release that its catalog was opened for.
#[derive(Clone, Debug)]
pub struct Command {
    /// The name, in the case that servers insist on (wire facts §1.2).
    pub name: String,
    /// Whether it answers with a job.
    pub is_async: bool,
    /// The first release that had it, where CloudStack says so.
    pub since: Option<Release>,
    /// Which build of CloudStack has it.
    pub build: Build,
    /// The global setting that turns it on, where there is one.
    pub setting: Option<Setting>,
    /// The role types that may call it where their role has no rule about it; `None`: only the rules decide.
    pub roles: Option<Vec<RoleType>>,
    /// The kinds of object it works on, in CloudStack's words.
    pub entity: Vec<String>,
    /// How its reply is spelled.
    pub reply: ReplyShape,
    /// The name of the shape that its reply's object has; see [`super::Catalog::fields`].
    pub shape: String,
    /// Its parameters, sorted by name.
    pub parameters: Vec<Parameter>,
    /// What it can do before its arguments are looked at.
    pub risk: Risk,
    /// The arguments that raise the risk.
    pub raises: Vec<Raise>,
    /// The family (toolset) it belongs to.
    pub family: String,
}

impl Command {
    /// The parameter with this name (lower case, as CloudStack declares it).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.binary_search_by(|parameter| parameter.name.as_str().cmp(name)).ok().and_then(|at| self.parameters.get(at))
    }

    /// The worst that any arguments can make of it.
    #[must_use]
    pub fn worst_risk(&self) -> Risk {
        self.raises.iter().map(|raise| raise.risk).fold(self.risk, Ord::max)
    }

    /// Whether its reply is a list of objects.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.reply.list
    }

    /// Whether it takes `page` and `pagesize`.
    #[must_use]
    pub fn is_paged(&self) -> bool {
        self.parameter("page").is_some() && self.parameter("pagesize").is_some()
    }
}

/// Which build of CloudStack has a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// Every build.
    #[default]
    Default,
    /// Builds with the plugins whose libraries Apache may not distribute.
    Noredist,
    /// Builds with the simulator hypervisor, for developers.
    Simulator,
    /// A server that declared it to us, and that we know nothing else about.
    Unknown,
}

/// A global setting that turns a command on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The setting's name.
    #[serde(rename = "setting")]
    pub name: String,
    /// Whether it is on in a new installation.
    pub default: bool,
}

/// CloudStack's four types of role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RoleType {
    /// Root admin.
    Admin,
    /// Resource admin (unused by default).
    ResourceAdmin,
    /// Domain admin.
    DomainAdmin,
    /// Tenant.
    User,
}

impl RoleType {
    /// All types, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Admin, Self::ResourceAdmin, Self::DomainAdmin, Self::User];

    /// The word for it, as a person writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ResourceAdmin => "resourceadmin",
            Self::DomainAdmin => "domainadmin",
            Self::User => "user",
        }
    }
}

/// The text names no type of role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no type of role; there are admin, resourceadmin, domainadmin and user")]
pub struct RoleTypeError(String);

impl FromStr for RoleType {
    type Err = RoleTypeError;

    /// In any case, with or without `-`, `_` and blanks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
        Self::ALL.into_iter().find(|kind| kind.word() == plain).ok_or_else(|| RoleTypeError(text.to_owned()))
    }
}

/// How a reply is spelled (wire facts §2.1, §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyShape {
    /// The one top-level key.
    pub envelope: String,
    /// The key of the object or of the list inside; `None` for a plain success or a flat reply.
    #[serde(default)]
    pub object: Option<String>,
    /// Whether a list is answered.
    #[serde(default)]
    pub list: bool,
}

/// What type an argument must have (wire facts §1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// Text of at most `length` characters (255 unless told).
    String,
    /// The id of an object.
    Uuid,
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number.
    Integer,
    /// A 64-bit number.
    Long,
    /// A 16-bit number.
    Short,
    /// A number with decimals.
    Double,
    /// A point in time.
    Date,
    /// One value with commas between its items.
    List,
    /// Indexed key/value entries; see [`MapEncoding`].
    Map,
    /// What CloudStack declares as an object and takes as text.
    Object,
}

/// A parameter of a command.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, always lower case.
    pub name: String,
    /// The type of its argument.
    pub kind: ParameterType,
    /// The type of a list's items.
    pub items: Option<ParameterType>,
    /// Whether it must be given.
    pub required: bool,
    /// The most characters it takes, where CloudStack says so.
    pub length: Option<u32>,
    /// The kinds of object whose id it takes.
    pub entity: Vec<String>,
    /// The role types that may give it; for others servers drop it silently. `None`: all.
    pub roles: Option<Vec<RoleType>>,
    /// CloudStack's own checks, by name.
    pub validations: Vec<String>,
    /// The first release that had it, where CloudStack says so.
    pub since: Option<Release>,
    /// How a map is spelled; `None` for every other type.
    pub encoding: Option<MapEncoding>,
}

impl Parameter {
    /// The most characters a text argument may have.
    #[must_use]
    pub fn length_max(&self) -> usize {
        self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(255)
    }

    /// Whether its argument, or each item of it, is the id of an object.
    #[must_use]
    pub fn takes_ids(&self) -> bool {
        self.kind == ParameterType::Uuid || self.items == Some(ParameterType::Uuid)
    }
}

/// A field of a reply's object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its declared type, in CloudStack's words (`string`, `integer`, `set`, …); replies deviate (wire facts §2.9).
    pub kind: String,
    /// The role types that see it; `None`: all.
    pub roles: Option<Vec<RoleType>>,
    /// Whether CloudStack calls it sensitive.
    pub sensitive: bool,
    /// The fields of a nested object or of a list's items.
    pub fields: Vec<Self>,
}
