//! Where the keys of pseudonyms come from: Secrets Manager in production, a
//! file beside the data on one's own machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "cloud")]
use aws_config::SdkConfig;
use crossfold_core::entities::ports::StoreError;
use crossfold_core::entities::pseudonym::{InvalidKeys, MIN_KEY_BYTES, Pseudonymiser};
#[cfg(feature = "cloud")]
use crossfold_core::entities::settings::Settings;
use serde::{Deserialize, Serialize};

#[cfg(feature = "cloud")]
use crate::aws::service_error;
use crate::{data_files, private_files};

/// Names the secret: its ARN.
pub const SECRET_VARIABLE: &str = "CROSSFOLD_PSEUDONYM_SECRET";
/// Names the tenant, whose users' pseudonyms differ from every other tenant's.
pub const TENANT_VARIABLE: &str = "CROSSFOLD_TENANT";
/// The file in a data directory.
pub const KEY_FILE: &str = "pseudonym-key.json";

/// Why there is no pseudonymiser.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// An environment variable is missing.
    #[error("{0} is not set")]
    NotSet(&'static str),
    /// The secret, or what is known of its keys, could not be had.
    #[error("the pseudonym secret, or what is known of its keys, cannot be read: {0}")]
    Secret(#[from] StoreError),
    /// The file could not be read or made.
    #[error("the pseudonym key file {path} cannot be used: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There are data, but not the key that their pseudonyms were made with.
    #[error(
        "{directory} has data, but not the key of its pseudonyms: bring {KEY_FILE} back from \
         where it is kept; a new key would make every user a stranger. If it is lost for good, \
         begin anew in another directory (--data-dir)"
    )]
    Missing {
        /// The data directory.
        directory: PathBuf,
    },
    /// The text is not of either form. It is not shown: it may hold a key.
    #[error(
        "the pseudonym keys must be JSON of the form {{\"version\": 1, \"key\": \"...\"}} \
         or {{\"current\": 2, \"keys\": {{\"1\": \"...\", \"2\": \"...\"}}}}"
    )]
    Malformed,
    /// There are data of a version that has no key.
    #[error(
        "there is no key of version {version}, with which pseudonyms were made: bring it back \
         from where it is kept; without it their users are strangers"
    )]
    Lost {
        /// The version.
        version: u32,
    },
    /// A version's key is another than the one that pseudonyms were made with.
    #[error(
        "the key of version {version}, or the tenant, is not the one that pseudonyms were made \
         with: bring it back from where it is kept, and add a new key as a new version"
    )]
    Changed {
        /// The version.
        version: u32,
    },
    /// A version is retired that something is stored under.
    #[error(
        "version {version} of the key cannot be retired: something is, or may be, stored under it \
         (see `keys` of GET /v1/status)"
    )]
    StillUsed {
        /// The version.
        version: u32,
    },
    /// The keys break a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum KeyText {
    One {
        version: u32,
        key: String,
    },
    Many {
        current: u32,
        keys: BTreeMap<String, String>,
        #[serde(default)]
        retired: BTreeSet<u32>,
    },
}

/// Keys as they are written down.
#[derive(Serialize)]
struct KeySet {
    current: u32,
    keys: BTreeMap<u32, String>,
    retired: BTreeSet<u32>,
}

impl KeySet {
    fn parse(json: &str) -> Result<Self, KeyError> {
        match serde_json::from_str(json).map_err(|_| KeyError::Malformed)? {
            KeyText::One { version, key } => {
                let keys = BTreeMap::from([(version, key)]);
                Ok(Self { current: version, keys, retired: BTreeSet::new() })
            }
            KeyText::Many { current, keys, retired } => {
                let parsed =
                    keys.into_iter().map(|(version, key)| Some((version.parse().ok()?, key)));
                let keys = parsed.collect::<Option<_>>().ok_or(KeyError::Malformed)?;
                Ok(Self { current, keys, retired })
            }
        }
    }

    fn into_pseudonymiser(self, tenant: &str) -> Result<Pseudonymiser, KeyError> {
        let bytes = |key: String| key.into_bytes().into_boxed_slice();
        let keys = self.keys.into_iter().map(|(version, key)| (version, bytes(key))).collect();
        Ok(Pseudonymiser::new(tenant, self.current, keys)?.with_retired(self.retired)?)
    }
}

/// Reads keys from JSON: one key, `{"version": 1, "key": "…"}`, or, once keys
/// rotate, several, `{"current": 2, "keys": {"1": "…", "2": "…"}, "retired": [1]}`,
/// of which `retired` may be left out. The bytes of a key's text are the key.
///
/// # Errors
/// [`KeyError::Malformed`] or [`KeyError::Invalid`].
pub fn parse(json: &str, tenant: &str) -> Result<Pseudonymiser, KeyError> {
    KeySet::parse(json)?.into_pseudonymiser(tenant)
}

/// Loads the keys from the secret and the tenant that the environment names.
/// Once for each cold start.
///
/// # Errors
/// [`KeyError`].
#[cfg(feature = "cloud")]
pub async fn from_secret(sdk: &SdkConfig) -> Result<Pseudonymiser, KeyError> {
    let settings = Settings::of_process();
    let variable = |name| settings.text(name).ok_or(KeyError::NotSet(name));
    let (arn, tenant) = (variable(SECRET_VARIABLE)?, variable(TENANT_VARIABLE)?);
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    let answer = client.get_secret_value().secret_id(arn).send().await.map_err(service_error)?;
    parse(answer.secret_string().ok_or(KeyError::Malformed)?, &tenant)
}

/// Loads the key from [`KEY_FILE`] in a data directory, before any data are made there.
/// When the directory has neither, a random key is made first, readable by its owner alone.
///
/// # Errors
/// [`KeyError`]; [`KeyError::Missing`] when there are data without a key.
pub fn from_directory(directory: &Path, tenant: &str) -> Result<Pseudonymiser, KeyError> {
    let path = directory.join(KEY_FILE);
    let of_file = |source| KeyError::File { path: path.clone(), source };
    // Looked for before the key: whoever starts at the same time makes the key first.
    let has_data = data_files::are_in(directory).map_err(of_file)?;
    let json = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if has_data {
                return Err(KeyError::Missing { directory: directory.to_owned() });
            }
            create(&path).and_then(|()| std::fs::read_to_string(&path)).map_err(of_file)?
        }
        read => read.map_err(of_file)?,
    };
    private_files::close_to_others(&path).map_err(of_file)?;
    parse(&json, tenant)
}

/// Adds a random key of the next version to [`KEY_FILE`] in a data directory, makes it the
/// current one, and gives its version. Nobody else may use the directory meanwhile.
///
/// # Errors
/// [`KeyError`]; the file is then as it was.
pub fn rotate_in_directory(directory: &Path) -> Result<u32, KeyError> {
    change_in_directory(directory, |keys| {
        let newest = keys.keys.keys().next_back().copied().unwrap_or(keys.current);
        let version = newest.checked_add(1).ok_or(KeyError::Malformed)?;
        keys.keys.insert(version, random_key());
        keys.current = version;
        Ok(version)
    })
}

/// Retires a version in [`KEY_FILE`] of a data directory: its key stays as a step of the
/// derivation, and nothing is looked up under it. Whether nothing is stored under it is for
/// the caller to know. Nobody else may use the directory meanwhile.
///
/// # Errors
/// [`KeyError`]; the file is then as it was.
pub fn retire_in_directory(directory: &Path, version: u32) -> Result<(), KeyError> {
    change_in_directory(directory, |keys| {
        keys.retired.insert(version);
        Ok(())
    })
}

fn change_in_directory<T>(
    directory: &Path,
    change: impl FnOnce(&mut KeySet) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let path = directory.join(KEY_FILE);
    let of_file = |source| KeyError::File { path: path.clone(), source };
    remove_unfinished(directory).map_err(of_file)?;
    let mut keys = KeySet::parse(&std::fs::read_to_string(&path).map_err(of_file)?)?;
    let changed = change(&mut keys)?;
    let text = serde_json::to_string(&keys).map_err(|_| KeyError::Malformed)?;
    parse(&text, "any")?;
    replace(&path, &text).map_err(of_file)?;
    Ok(changed)
}

/// Removes what a change that was cut short left beside the file: it has keys in it.
fn remove_unfinished(directory: &Path) -> std::io::Result<()> {
    let stem = Path::new(KEY_FILE).with_extension("");
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(Path::new);
        let is_of_keys = name.is_some_and(|name| {
            name.extension().is_some_and(|extension| extension == "tmp")
                && name.with_extension("").with_extension("") == stem
        });
        if is_of_keys {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Writes a file in the place of another, so that either is there whole.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    write_private(&temporary, text)?;
    std::fs::rename(&temporary, path)?;
    sync_directory(path)
}

fn random_key() -> String {
    data_encoding::BASE64URL_NOPAD.encode(&rand::random::<[u8; MIN_KEY_BYTES]>())
}

/// Writes a new key so that the file is never seen in part and, of two
/// processes that start at once, the first one's key stands.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        private_files::create_directory(directory)?;
    }
    let text = serde_json::json!({ "version": 1, "key": random_key() }).to_string();
    let temporary = path.with_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    write_private(&temporary, &text)?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(path),
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = private_files::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the new name itself survive a loss of power.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => std::fs::File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::ids::{DomainId, UserId};

    use super::*;

    fn pseudonym(keys: &Pseudonymiser) -> String {
        let domain = DomainId::parse("knowledge").unwrap();
        keys.pseudonym(&domain, &UserId::parse("alice").unwrap()).to_string()
    }

    #[test]
    fn both_forms_of_the_secret_are_understood() {
        let (old, new) = ("a".repeat(32), "b".repeat(32));
        let one = parse(&format!(r#"{{"version":1,"key":"{old}"}}"#), "t").unwrap();
        let many = format!(r#"{{"current":2,"keys":{{"1":"{old}","2":"{new}"}}}}"#);
        let many = parse(&many, "t").unwrap();
        assert!(pseudonym(&one).starts_with("v1_"));
        assert!(pseudonym(&many).starts_with("v2_"));
    }

    #[test]
    fn a_current_or_retired_version_without_its_key_is_an_error() {
        let key = "b".repeat(32);
        for text in [
            format!(r#"{{"current":2,"keys":{{"1":"{key}"}}}}"#),
            format!(r#"{{"current":2,"keys":{{"2":"{key}"}},"retired":[1]}}"#),
            format!(r#"{{"current":1,"keys":{{"1":"{key}"}},"retired":[1]}}"#),
        ] {
            let error = parse(&text, "t").unwrap_err();
            assert!(matches!(error, KeyError::Invalid(_)), "{error}");
        }
    }

    #[test]
    fn a_rotated_directory_knows_the_earlier_pseudonym_until_it_is_retired() {
        let directory = tempfile::tempdir().unwrap();
        let open = || from_directory(directory.path(), "t").unwrap();
        let domain = DomainId::parse("knowledge").unwrap();
        let user = UserId::parse("alice").unwrap();
        let first = open().pseudonym(&domain, &user);
        // Of a rotation that was cut short.
        std::fs::write(directory.path().join("pseudonym-key.00af.tmp"), "keys").unwrap();
        assert_eq!(rotate_in_directory(directory.path()).unwrap(), 2);
        let rotated = open().pseudonym(&domain, &user);
        assert_eq!((rotated.oldest_form(), open().forward(&first)), (first.clone(), rotated));
        for refused in [2, 3] {
            let error = retire_in_directory(directory.path(), refused).unwrap_err();
            assert!(matches!(error, KeyError::Invalid(_)), "{error}");
        }
        retire_in_directory(directory.path(), 1).unwrap();
        let retired = open().pseudonym(&domain, &user);
        assert_eq!((retired.oldest_form(), open().forward(&first)), (retired.clone(), retired));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bad_secret_is_refused_without_being_shown() {
        for text in [
            "hunter2",
            r#"{"version":1,"key":"hunter2"}"#,
            r#"{"current":1,"keys":{"x":"hunter2"}}"#,
        ] {
            let error = parse(text, "t").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_directory_keeps_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let first = pseudonym(&from_directory(directory.path(), "t").unwrap());
        assert_eq!(pseudonym(&from_directory(directory.path(), "t").unwrap()), first);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(pseudonym(&from_directory(other.path(), "t").unwrap()), first);
    }

    #[test]
    fn a_key_that_is_missing_beside_data_is_an_error_and_never_a_new_key() {
        for data in ["dynamodb.sqlite", "s3"] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(data), "").unwrap();
            let error = from_directory(directory.path(), "t").err().unwrap();
            assert!(matches!(error, KeyError::Missing { .. }), "{error}");
            let text = error.to_string();
            let path = directory.path().to_str().unwrap();
            assert!(text.contains(path) && text.contains(KEY_FILE), "{text}");
            assert!(!directory.path().join(KEY_FILE).exists());

            std::fs::remove_file(directory.path().join(data)).unwrap();
            let first = pseudonym(&from_directory(directory.path(), "t").unwrap());
            std::fs::write(directory.path().join(data), "").unwrap();
            assert_eq!(pseudonym(&from_directory(directory.path(), "t").unwrap()), first);
        }
    }

    #[test]
    fn a_key_is_made_in_a_directory_that_is_not_there_yet() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("a/b");
        let first = pseudonym(&from_directory(&data, "t").unwrap());
        assert_eq!(pseudonym(&from_directory(&data, "t").unwrap()), first);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_could_read_is_closed_to_them() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        from_directory(directory.path(), "t").unwrap();
        let path = directory.path().join(KEY_FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        from_directory(directory.path(), "t").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_readable_by_its_owner_alone_and_nothing_else_is_left() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        from_directory(directory.path(), "t").unwrap();
        let entries: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn starters_at_once_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEY_FILE);
        create(&path).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    }
}
