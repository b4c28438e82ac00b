//! Secrets: referred to in the configuration, read from a file or (on laptops) from the environment, never printed.

use std::{fmt, fs::File, io::Read as _, path::PathBuf};

/// A secret may have so many bytes.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret. It cannot be printed or serialized; whoever needs its text says so by [`Secret::reveal`].
#[derive(Clone)]
pub struct Secret {
    text: String,
    source: SecretSource,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The content of this file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
}

impl Secret {
    /// Reads it; one line break at the end of a file is not part of it.
    ///
    /// # Errors
    /// Why it cannot be read, without any part of it.
    pub fn read(source: SecretSource) -> Result<Self, String> {
        let text = match &source {
            SecretSource::File(path) => {
                let mut bytes = Vec::new();
                File::open(path)
                    .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
                    .map_err(|error| format!("the secret's file cannot be read: {error}"))?;
                String::from_utf8(bytes).map_err(|_| "the secret's file is not UTF-8 text".to_owned())?
            }
            SecretSource::Env(name) => std::env::var(name)
                .map_err(|_| "the secret's environment variable is not set, or not UTF-8 text".to_owned())?,
        };
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(format!("the secret has more than {SECRET_BYTES_MAX} bytes"));
        }
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        Ok(Self { text: text.to_owned(), source })
    }

    /// Reads it again from where it came from, so that a rotated one is found without a restart.
    ///
    /// # Errors
    /// Why it cannot be read, without any part of it.
    pub fn reread(&self) -> Result<Self, String> {
        Self::read(self.source.clone())
    }

    /// Its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
