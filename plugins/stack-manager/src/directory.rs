//! Stacks that are folders: copies of a template, which the daemon serves.
//!
//! A stack is built and deleted under the name `.STACK.UNIQUE.tmp` and renamed, so that it is there as a whole or not at
//! all. The name is unique because two attempts may run at once, and neither may build in the other's folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use crate::page;
use crate::provider::{self, Extent, Found, Order, Provider, Readiness, Recipe, Status, Tenant};
use crate::template::{Template, at};

/// How many stacks may go while they are listed, before the listing is given up.
const MOST_GONE: usize = 10_000;

/// The page of a stack in a template, with the placeholders that [`page::render`] knows. It becomes `index.html` when
/// the stack gets its trial; the template's own `index.html` is what is seen before.
const PAGE_TEMPLATE: &str = "index.template.html";

/// How long a UUID is.
const UUID_LENGTH: usize = 36;

/// Makes folders in one folder from the folders in another.
pub(crate) struct Directory {
    /// Where the stacks are.
    stacks: PathBuf,
    /// Where the templates are.
    templates: PathBuf,
    /// The time, in milliseconds since the epoch.
    now: u64,
}

impl Directory {
    /// Makes stacks in `stacks` from the folders in `templates`, at `now`.
    pub(crate) fn new(stacks: impl Into<PathBuf>, templates: impl Into<PathBuf>, now: u64) -> Self {
        Self { stacks: stacks.into(), templates: templates.into(), now }
    }

    /// The folder of a stack.
    fn home(&self, stack_id: &str) -> io::Result<PathBuf> {
        // The name comes from an event. A name like "" would be the folder of all stacks.
        if !is_stack_id(stack_id) {
            let message =
                format!("{stack_id:?} is not the id of a stack; it must be a type in lower case, `-` and a UUID");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(self.stacks.join(stack_id))
    }

    /// A new name for a part of a stack.
    fn part(&self, stack_id: &str) -> PathBuf {
        self.stacks.join(format!(".{stack_id}.{}.tmp", Uuid::now_v7()))
    }

    /// Copies a template, unless that was done.
    fn build(&self, stack_id: &str, template: &str) -> io::Result<()> {
        let (home, part) = (self.home(stack_id)?, self.part(stack_id));
        let made = Template::read(&self.templates.join(template), self.now)
            .and_then(|template| template.copy_to(&part))
            .and_then(|()| fs::rename(&part, &home));
        let Err(error) = made else { return Ok(()) };
        // What cannot be removed here is found and discarded later.
        let _ = fs::remove_dir_all(&part);
        // Another attempt was faster, or this is one more after it was done, which is rare.
        if home.try_exists()? { Ok(()) } else { Err(error) }
    }

    /// Fills in the page of a stack.
    fn prepare(&self, stack_id: &str, tenant: &Tenant) -> io::Result<()> {
        let home = self.home(stack_id)?;
        match fs::read_to_string(home.join(PAGE_TEMPLATE)) {
            Ok(template) => overwrite(&home.join("index.html"), &page::render(&template, stack_id, tenant))?,
            // A template may do without.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(at(&home.join(PAGE_TEMPLATE), &error)),
        }
        // Last, because who finds it here takes the stack for ready.
        let trial = json!({
            "trialId": tenant.trial_id,
            "leadId": tenant.lead_id,
            "type": tenant.trial_type,
            "stackId": stack_id,
            "expiresAt": tenant.expires_at,
            "ends": page::time(tenant.expires_at),
        });
        replace(&home, "trial.json", &format!("{trial:#}\n"))
    }

    /// Deletes a stack, unless that was done.
    fn remove(&self, stack_id: &str) -> io::Result<()> {
        let (home, part) = (self.home(stack_id)?, self.part(stack_id));
        match fs::rename(&home, &part) {
            Ok(()) => fs::remove_dir_all(&part).map_err(|error| at(&part, &error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at(&home, &error)),
        }
    }

    /// What there is, sorted by name.
    fn found(&self) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        let mut gone = 0;
        for entry in fs::read_dir(&self.stacks).map_err(|error| at(&self.stacks, &error))? {
            // Stacks come and go while this looks. One that went is not listed.
            let looked = entry.and_then(|entry| Ok((entry.file_type()?.is_dir(), entry.file_name())));
            match looked {
                // What this plugin cannot have made is not touched.
                Ok((true, name)) => all.extend(name.to_str().and_then(found)),
                Ok((false, _)) => {}
                Err(error) if error.kind() == ErrorKind::NotFound && gone < MOST_GONE => gone += 1,
                Err(error) => return Err(at(&self.stacks, &error)),
            }
        }
        all.sort();
        Ok(all)
    }
}

impl Provider for Directory {
    fn create(&mut self, order: &Order<'_>) -> Result<Status, provider::Error> {
        let Recipe::Folder(template) = order.recipe else {
            return Err(provider::Error::Refused("a folder is made from a folder in `templates`".to_owned()));
        };
        self.build(order.stack_id, template)?;
        Ok(Status::Ready(None))
    }

    fn status(&mut self, stack_id: &str) -> Result<Status, provider::Error> {
        Ok(if self.home(stack_id)?.try_exists()? { Status::Ready(None) } else { Status::Absent })
    }

    fn configure(&mut self, stack_id: &str, tenant: &Tenant) -> Result<Readiness, provider::Error> {
        self.prepare(stack_id, tenant)?;
        Ok(Readiness::Answers)
    }

    fn delete(&mut self, stack_id: &str) -> Result<Status, provider::Error> {
        self.remove(stack_id)?;
        Ok(Status::Absent)
    }

    fn list(&mut self) -> Result<Option<Vec<Found>>, provider::Error> {
        Ok(Some(self.found()?))
    }

    fn discard(&mut self, found: &Found) -> Result<(), provider::Error> {
        match found.extent {
            Extent::Whole => self.remove(&found.stack_id)?,
            Extent::Part => match fs::remove_dir_all(self.stacks.join(&found.name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(at(&self.stacks.join(&found.name), &error).into());
                }
                _ => {}
            },
        }
        Ok(())
    }
}

/// What a folder of this name is.
fn found(name: &str) -> Option<Found> {
    let (stack_id, extent) = match name.strip_prefix('.') {
        Some(part) => {
            let (stack_id, unique) = part.strip_suffix(".tmp")?.rsplit_once('.')?;
            Uuid::try_parse(unique).ok()?;
            (stack_id, Extent::Part)
        }
        None => (name, Extent::Whole),
    };
    is_stack_id(stack_id).then(|| Found { name: name.to_owned(), stack_id: stack_id.to_owned(), extent })
}

/// Whether a text is a type in lower case, `-` and a UUID.
fn is_stack_id(text: &str) -> bool {
    let Some((trial_type, uuid)) = text.len().checked_sub(UUID_LENGTH).and_then(|at| text.split_at_checked(at)) else {
        return false;
    };
    let letters =
        trial_type.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    letters && trial_type.len() > 1 && trial_type.ends_with('-') && Uuid::try_parse(uuid).is_ok()
}

/// Gives a file other content. Nobody is told of the page before it has it, and whoever writes it once more writes the same; putting another file in its place would make
/// the system store it at once.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all(text.as_bytes())?;
        if file.metadata()?.len() > text.len() as u64 { file.set_len(text.len() as u64) } else { Ok(()) }
    };
    written().map_err(|error| at(path, &error))
}

/// Puts a file into a folder, whole, in place of the one that is there.
fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let (draft, file) = (folder.join(format!(".{name}.tmp")), folder.join(name));
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, &file)).map_err(|error| at(&file, &error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    const STACK: &str = "acs-01890a5d-ac96-774b-bcce-b302099a8057";

    /// The page of a stack that no trial has.
    const WARM: &str = "warm, and waiting for a trial";

    /// A folder with `stacks` and `templates/acs`, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("stack-manager-{}", Uuid::now_v7()));
            fs::create_dir_all(root.join("stacks")).unwrap();
            fs::create_dir_all(root.join("templates/acs/assets")).unwrap();
            fs::write(root.join("templates/acs/index.html"), WARM).unwrap();
            fs::write(root.join("templates/acs/index.template.html"), "<p>{{leadId}}</p>").unwrap();
            fs::write(root.join("templates/acs/assets/style.css"), "p {}").unwrap();
            Self(root)
        }

        fn provider(&self) -> Directory {
            self.provider_at(0)
        }

        fn provider_at(&self, now: u64) -> Directory {
            Directory::new(self.0.join("stacks"), self.0.join("templates"), now)
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.0.join("stacks").join(STACK).join(file)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.join("stacks")).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_stack_is_made_prepared_and_deleted_and_each_can_be_repeated() {
        let folder = Folder::new();
        let provider = folder.provider();
        for _ in 0..2 {
            provider.build(STACK, "acs").unwrap();
            assert_eq!((folder.read("index.html"), folder.read("assets/style.css")), (WARM.into(), "p {}".into()));
        }
        let tenant = Tenant {
            trial_id: "t1".to_owned(),
            lead_id: "<b>".to_owned(),
            trial_type: "ACS".to_owned(),
            expires_at: 1_589_379_579.5,
        };
        for _ in 0..2 {
            provider.prepare(STACK, &tenant).unwrap();
            assert_eq!(folder.read("index.html"), "<p>&lt;b&gt;</p>", "and nothing of the longer one that was there");
            let trial: serde_json::Value = serde_json::from_str(&folder.read("trial.json")).unwrap();
            assert_eq!((&trial["trialId"], &trial["ends"]), (&json!("t1"), &json!("2020-05-13 14:19 UTC")));
        }
        assert_eq!(provider.found().unwrap().len(), 1);
        for _ in 0..2 {
            provider.remove(STACK).unwrap();
            assert_eq!(folder.names(), [""; 0]);
        }
        assert_eq!(provider.prepare(STACK, &tenant).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_template_may_change_and_be_large() {
        let folder = Folder::new();
        let index = folder.0.join("templates/acs/index.html");
        let large = "x".repeat(100_000);
        for (now, text, expected) in [(5000, "first", "first"), (5999, &large, "first"), (6000, "third", "third")] {
            fs::write(&index, text).unwrap();
            folder.provider_at(now).build(STACK, "acs").unwrap();
            assert_eq!(folder.read("index.html"), expected, "at {now}");
            folder.provider_at(now).remove(STACK).unwrap();
        }
        for (now, text) in [(7000, &large[..]), (7500, "fifth")] {
            fs::write(&index, text).unwrap();
            folder.provider_at(now).build(STACK, "acs").unwrap();
            assert!(folder.read("index.html") == text, "what is large is not kept");
            folder.provider_at(now).remove(STACK).unwrap();
        }
    }

    #[test]
    fn a_failed_attempt_leaves_nothing() {
        let folder = Folder::new();
        let provider = folder.provider();
        assert_eq!(provider.build(STACK, "none").unwrap_err().kind(), ErrorKind::NotFound);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc", folder.0.join("templates/acs/etc")).unwrap();
            let error = provider.build(STACK, "acs").unwrap_err().to_string();
            assert!(error.contains("acs/etc: is neither a file nor a folder"), "{error}");
        }
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn only_what_was_made_here_is_found() {
        let folder = Folder::new();
        let part = format!(".{STACK}.{}.tmp", Uuid::now_v7());
        for name in [STACK, &part, "lost+found", ".git", "acs-1", &format!(".{STACK}.x.tmp")] {
            fs::create_dir(folder.0.join("stacks").join(name)).unwrap();
        }
        let mut provider = folder.provider();
        let found = provider.found().unwrap();
        let extents: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.extent)).collect();
        assert_eq!(extents, [(part.as_str(), Extent::Part), (STACK, Extent::Whole)]);
        found.iter().for_each(|found| provider.discard(found).unwrap());
        assert_eq!(folder.names().len(), 4);
    }

    #[test]
    fn other_names_are_refused() {
        let uuid = &STACK[4..];
        for name in ["", ".", "..", "acs", uuid, &format!("-{uuid}"), &format!("../{uuid}"), &format!("a/b-{uuid}")] {
            let provider = Directory::new("/nowhere", "/nowhere", 0);
            assert_eq!(provider.remove(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
}
