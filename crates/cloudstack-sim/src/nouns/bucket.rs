//! Object storage: stores of objects and the buckets in them. The objects themselves are not here.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, quietly, take},
};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, computed, linked, own, own_or,
    },
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle},
};

/// Who keeps objects.
const PROVIDERS: [&str; 5] = ["MinIO", "Ceph", "Cloudian HyperStore", "ECS", "Simulator"];
/// Who may read a bucket.
const POLICIES: [&str; 2] = ["private", "public"];
/// How many letters a bucket's name has at least and at most.
const NAME_LETTERS: std::ops::RangeInclusive<usize> = 3..=63;
/// How many letters the keys of a bucket have.
const KEY_LETTERS: (usize, usize) = (20, 40);

/// A store of objects.
pub(crate) const STORE_NOUN: Noun = Noun {
    word: "objectstore",
    entities: &["ObjectStoreResponse"],
    resource: "ObjectStore",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), own("url"), own("providername"), own("storagetotal"), own("storageused"), HAS_ANNOTATIONS],
};

/// A bucket.
pub(crate) const NOUN: Noun = Noun {
    word: "bucket",
    entities: &["BucketResponse"],
    resource: "Bucket",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        CREATED,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        linked("objectstorageid", "store", "id"),
        linked("objectstore", "store", "name"),
        own_or("size", Constant::Number(0)),
        own_or("state", Constant::Text("Created")),
        own("quota"),
        own_or("versioning", Constant::Flag(false)),
        own_or("encryption", Constant::Flag(false)),
        own_or("objectlocking", Constant::Flag(false)),
        own_or("policy", Constant::Text("private")),
        computed("url", |world, bucket, _| {
            Some(Shown::Text(format!("{}/{}", world.string(world.link(bucket, "store")?, "url"), world.string(bucket, "name"))))
        }),
        own("accesskey"),
        own("usersecretkey"),
        linked("provider", "store", "providername"),
        TAGS,
        HAS_ANNOTATIONS,
    ],
};

/// The commands that need code, and filters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("createBucket", create)],
    filters: &[
        ("objectstore", "provider", |turn, store| turn.arguments.text("provider") == turn.world.text(store, "providername")),
        ("bucket", "objectstorageid", |turn, bucket| crate::list::argument_is(turn, "objectstorageid", turn.world.link(bucket, "store"))),
    ],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("addObjectStoragePool", "objectstore", &[Put::Text("name"), Put::Text("url"), Put::Named("provider", "providername"), Put::Number("size")])
        .checked(store_is_right),
    change("updateObjectStoragePool", "id", &[Put::Text("name"), Put::Text("url")]).checked(store_is_right),
    take("deleteObjectStoragePool", "id").checked(|turn, store| match store {
        Some(store) if recipe::users(turn.world, store, &[("bucket", "store")]) > 0 => Err(Refusal::invalid("Cannot delete object store with buckets")),
        _ => Ok(()),
    }),
    quietly("updateBucket", "id", &[Put::Number("quota"), Put::Flag("versioning"), Put::Flag("encryption"), Put::Text("policy")])
        .checked(|turn, _| policy_is_known(turn).and_then(|()| quota_is_right(turn))),
    take("deleteBucket", "id").checked(|turn, bucket| match bucket {
        Some(bucket) if turn.world.number(bucket, "size") > 0 => Err(Refusal::failed(format!("Bucket {} is not empty", turn.world.string(bucket, "name")))),
        _ => Ok(()),
    }),
];

fn store_is_right(turn: &Turn<'_>, store: Option<Handle>) -> Result<(), Refusal> {
    super::chore::host_is_right(turn, "url")?;
    let provider = turn.arguments.text("provider").filter(|provider| !PROVIDERS.iter().any(|known| known.eq_ignore_ascii_case(provider)));
    if let Some(provider) = provider {
        return Err(Refusal::failed(format!("Unable to find an object storage provider named {provider}")));
    }
    let stores = turn.world.kind("objectstore");
    let is_taken = |row: Handle| {
        Some(row) != store && ["name", "url"].iter().any(|field| turn.arguments.text(field).is_some_and(|text| turn.world.text(row, field) == Some(text)))
    };
    if turn.world.rows(stores).any(is_taken) {
        return Err(Refusal::failed("An object storage with this name or URL already exists"));
    }
    Ok(())
}

fn policy_is_known(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.text("policy") {
        Some(policy) if !POLICIES.contains(&policy) => Err(Refusal::invalid(format!("Invalid bucket policy: {policy}. It is one of {}", POLICIES.join(", ")))),
        _ => Ok(()),
    }
}

fn quota_is_right(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.number("quota") {
        Some(quota) if quota < 0 => Err(Refusal::invalid(format!("Invalid value for quota: {quota}"))),
        _ => Ok(()),
    }
}

fn name_is_right(turn: &Turn<'_>, name: &str) -> Result<(), Refusal> {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '.');
    let outer = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if !NAME_LETTERS.contains(&name.len()) || !name.chars().all(inner) || !outer(name.chars().next()) || !outer(name.chars().last()) || name.contains("..") {
        return Err(Refusal::invalid(format!("Bucket Name: {name} is not valid")));
    }
    match turn.world.find("bucket", "name", name) {
        Some(_) => Err(Refusal::invalid(format!("Bucket with name {name} already exists"))),
        None => Ok(()),
    }
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let store = turn.target("objectstorageid")?;
    let name = turn.needed("name")?;
    name_is_right(turn, &name)?;
    policy_is_known(turn)?;
    quota_is_right(turn)?;
    let quota = turn.arguments.number("quota").unwrap_or(0);
    super::limit::check(turn, owner, &[("bucket", 1), ("object_storage", quota)])?;
    let (access, secret) = keys(turn, owner, store);
    let kind = turn.world.kind("bucket");
    let fields: [(&str, Datum); 4] = [("name", name.into()), ("store", store.into()), ("accesskey", access.into()), ("usersecretkey", secret.into())];
    let bucket = turn.world.insert(kind, Some(owner), &fields);
    let puts = [Put::Number("quota"), Put::Flag("versioning"), Put::Flag("encryption"), Put::Flag("objectlocking"), Put::Text("policy")];
    puts.into_iter().for_each(|put| recipe::apply(turn, bucket, put));
    Ok(turn.making(bucket, WORK_SHORT, move |_| Ok(Outcome::Object(bucket))))
}

/// The keys of an account at a store: those of its other buckets there, or new ones.
fn keys(turn: &mut Turn<'_>, owner: Handle, store: Handle) -> (String, String) {
    let known = turn.world.owned(turn.world.kind("bucket"), owner).find(|bucket| turn.world.link(*bucket, "store") == Some(store));
    if let Some(known) = known {
        return (turn.world.string(known, "accesskey"), turn.world.string(known, "usersecretkey"));
    }
    let mut letters = |count: usize| -> String { std::iter::repeat_with(|| turn.world.random.alphanumeric()).take(count).collect() };
    (letters(KEY_LETTERS.0), letters(KEY_LETTERS.1))
}
