//! A cloud whose world is kept: opened, appended to, written down, put in another's place.

use std::{path::Path, sync::Arc, time::Duration};

use cloudstack_api::{catalog::Catalog, clock::Clock};

use super::{Deed, Entry, Export, Header, Journal, Opened, Recovery, Snapshot, Ticket, journal::write_whole};
use crate::{
    cloud::{Cloud, Ground, Method, WireAnswer, WireRequest},
    error::Error,
    options::{TimeMode, WorldOptions},
    turn::Server,
    world::World,
};

/// How often time is moved on until no job is at work: jobs may start others.
const ROUNDS_MAX: usize = 100;
/// What is answered if an answer cannot be kept.
const NOT_KEPT: u16 = 500;

impl Cloud {
    /// Opens the cloud whose world a file keeps, or makes both. Whatever it answers is on the disk before.
    ///
    /// The options must be those that the world was made with ([`crate::kept_options`]).
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if the file is in use or keeps a world with other options, [`Error::Damaged`] if it cannot be
    /// understood, [`Error::File`] if it cannot be read or written.
    pub fn keep(options: WorldOptions, catalog: Arc<Catalog>, clock: Arc<dyn Clock>, path: &Path) -> Result<(Self, Recovery), Error> {
        if !options.settings.is_empty() {
            return Err(Error::invalid("a world with global settings of its own cannot be kept"));
        }
        let Opened { journal, header, snapshot, entries, was_torn } = Journal::open(path, &Header::new(options, clock.now()))?;
        let server = Server { catalog, options: Arc::new(options) };
        let ground = Ground { server, clock, began: header.began(), journal: Some(journal) };
        let cloud = match snapshot {
            Some(snapshot) => {
                let mut world = ground.world();
                world.restore(snapshot.world, &ground.server.catalog)?;
                ground.cloud(Some((world, snapshot.identities)))
            }
            None => ground.cloud(None),
        };
        let mut recovery = Recovery { replayed: entries.len(), was_torn, program: header.program, ..Recovery::default() };
        {
            let mut world = cloud.lock();
            recovery.differing = entries.into_iter().filter(|entry| !cloud.redo(&mut world, entry)).count();
        }
        if recovery.differing > 0
            && let Some(journal) = &cloud.inner.journal
        {
            recovery.copy = Some(journal.copy()?);
        }
        cloud.compact()?;
        Ok((cloud, recovery))
    }

    /// Does a deed again. False if something else came of it.
    fn redo(&self, world: &mut World, entry: &Entry) -> bool {
        world.now = world.now.max(entry.at);
        world.settle(&self.inner.server);
        match &entry.deed {
            Deed::Call { get, query, form, cookies } => {
                let method = if *get { Method::Get } else { Method::Post };
                let request = WireRequest { method, query: query.clone(), body: form.clone(), cookies: cookies.clone() };
                return self.repeat(world, &request) == entry.came;
            }
            Deed::Begin(trouble) => {
                let begun = world.begin(trouble.clone(), &self.inner.server);
                world.settle(&self.inner.server);
                return begun.is_ok();
            }
            Deed::Lift(number) => {
                let lifted = world.lift(*number);
                world.settle(&self.inner.server);
                return lifted.is_ok();
            }
            Deed::Skip(by) => self.move_on(world, *by),
        }
        true
    }

    /// Does something to the world beside its API, and keeps it.
    pub(crate) fn act<T>(&self, deed: impl FnOnce(&mut World, &Server) -> Result<(T, Deed), Error>) -> Result<T, Error> {
        let mut world = self.present();
        let at = world.now;
        let (outcome, deed) = deed(&mut world, &self.inner.server)?;
        world.settle(&self.inner.server);
        let ticket = self.inner.journal.as_ref().map(|journal| (journal, journal.push(Entry { at, deed, came: 0 })));
        drop(world);
        if let Some((journal, ticket)) = ticket {
            journal.settle(ticket)?;
        }
        Ok(outcome)
    }

    /// Moves the world's time ahead, whatever drives it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be kept.
    pub fn skip(&self, by: Duration) -> Result<(), Error> {
        self.act(|world, _| {
            self.move_on(world, by);
            Ok(((), Deed::Skip(by)))
        })
    }

    fn move_on(&self, world: &mut World, by: Duration) {
        world.now += by;
        if self.inner.server.options.clock == TimeMode::Auto {
            world.ahead += by;
        }
        world.settle(&self.inner.server);
    }

    /// The world as one JSON document, for [`Cloud::replace`] here or elsewhere.
    ///
    /// Jobs at work are ended first, by moving the world's time on to the end of the last; jobs that a trouble holds stand in
    /// the document as a restart of the server would leave them. Sessions are not in it, secrets are.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the move cannot be kept.
    pub fn export(&self) -> Result<String, Error> {
        for _ in 0..ROUNDS_MAX {
            let left = {
                let world = self.present();
                world.jobs.last_due().map(|due| due.saturating_sub(world.now))
            };
            let Some(left) = left else { break };
            self.skip(left)?;
        }
        let world = self.present();
        let header = Header::new(*self.inner.server.options, self.inner.began);
        Export::new(header, self.snapshot(&world)).text()
    }

    /// Writes [`Cloud::export`] to a file that its owner alone reads.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be written.
    pub fn export_to(&self, path: &Path) -> Result<(), Error> {
        let text = self.export()?;
        write_whole(path, text.as_bytes()).map_err(|source| Error::File { file: path.display().to_string(), done: "written", source })
    }

    /// Puts an exported world in the place of this one: its objects, its users, its time.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the document cannot be understood, [`Error::Conflict`] if it is of another release,
    /// [`Error::File`] if it cannot be kept. The world is then as it was.
    pub fn replace(&self, text: &str) -> Result<(), Error> {
        let export = Export::read(text)?;
        let (release, ours) = (export.options().release, self.inner.server.options.release);
        if release != ours {
            return Err(Error::Conflict(format!("the export is a world of release {release}, and this cloud is of release {ours}")));
        }
        let ground = Ground { server: self.inner.server.clone(), clock: Arc::clone(&self.inner.clock), began: self.inner.began, journal: None };
        let mut fresh = ground.world();
        let snapshot = export.into_snapshot();
        fresh.restore(snapshot.world, &self.inner.server.catalog)?;
        // Time never runs backwards: what was moved ahead stays ahead.
        fresh.ahead = match self.inner.server.options.clock {
            TimeMode::Auto => fresh.now.saturating_sub(self.inner.clock.now()),
            TimeMode::Explicit => Duration::ZERO,
        };
        let mut world = self.lock();
        if let Some(journal) = &self.inner.journal {
            journal.compact(Snapshot { world: fresh.saved(), identities: snapshot.identities.clone() })?;
        }
        *world = fresh;
        self.set_identities(snapshot.identities);
        Ok(())
    }

    fn snapshot(&self, world: &World) -> Snapshot {
        Snapshot { world: world.saved(), identities: self.identities() }
    }

    /// Writes the file anew, if there is one and no job is at work, whose work cannot be written down.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be written.
    pub fn compact(&self) -> Result<(), Error> {
        let Some(journal) = self.inner.journal.as_ref().filter(|journal| journal.has_deeds()) else { return Ok(()) };
        let world = self.present();
        if !world.jobs.is_quiet() {
            return Ok(());
        }
        journal.compact(self.snapshot(&world))
    }

    /// The answer, once what it tells of is on the disk.
    pub(crate) fn made_durable(&self, answer: WireAnswer, ticket: Ticket) -> WireAnswer {
        let Some(journal) = &self.inner.journal else { return answer };
        match journal.settle(ticket) {
            Ok(()) => {
                if journal.has_grown() {
                    // The deed is on the disk; that the file stays long is told when it cannot be written at all.
                    drop(self.compact());
                }
                answer
            }
            Err(error) => WireAnswer { status: NOT_KEPT, headers: vec![("content-type", "text/plain;charset=utf-8".to_owned())], body: error.to_string() },
        }
    }
}
