use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::consent::ConsentDecision;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::people::{
    MAX_MEMBERS, PeopleEntry, PeopleWrite, Person, VersionedEntry,
};
use crossfold_core::entities::ports::{Committed, Stores};
use crossfold_core::entities::purpose::Purpose;
use jiff::Timestamp;

use super::{Held, checks, hold, id, together, unique, unique_user};

checks! { "people":
    every_kind_of_entry_reads_back,
    a_write_needs_the_right_version,
    a_commit_is_all_or_nothing,
    the_largest_commit_is_possible,
    of_racing_commits_exactly_one_wins,
    scanning_meets_every_entry_once,
    a_commit_may_rest_on_what_is_not_there,
    an_entry_goes_to_another_key_with_its_version,
}

fn person(user: &Pseudonym) -> PeopleEntry {
    PeopleEntry::Person(Person::of_one(user.clone(), id(DomainId::parse, "knowledge")))
}

fn link(to: &Pseudonym) -> PeopleEntry {
    PeopleEntry::Link { person: to.clone(), life: 0, erased_until: None, declared: None }
}

fn write(user: &Pseudonym, entry: PeopleEntry, expected: Option<u64>) -> PeopleWrite {
    PeopleWrite { id: user.clone(), entry, expected }
}

async fn every_kind_of_entry_reads_back(stores: &Stores) -> Held {
    let (user, other, erased) = (unique_user(), unique_user(), unique_user());
    let domain = id(DomainId::parse, "knowledge");
    let mut person = Person::of_one(user.clone(), domain.clone());
    person.members[0].declared = BTreeMap::from([("città".into(), "東京 \"1\"".into())]);
    person.consents.record(ConsentDecision {
        from: domain.clone(),
        to: id(DomainId::parse, "travel"),
        purpose: Purpose::Training,
        granted: true,
        decided_at: Timestamp::now(),
        expires_at: None,
        evidence: Some("form 7".into()),
    });
    let entries = [
        (user.clone(), PeopleEntry::Person(person)),
        (other, link(&user)),
        (erased, PeopleEntry::Erased { life: 2, until: Timestamp::now() }),
    ];
    let missing = stores.people.get(&user).await?;
    hold!(missing.is_none(), "an unknown user has an entry");
    let writes: Vec<_> =
        entries.iter().map(|(user, entry)| write(user, entry.clone(), None)).collect();
    let committed = stores.people.commit(&writes).await?;
    hold!(committed == Committed::Yes, "three new entries answered {committed:?}");
    for (user, entry) in entries {
        let found = stores.people.get(&user).await?;
        let Some(found) = found else {
            return Err(super::Broken(format!("{entry:?} is not there")));
        };
        hold!(found.entry == entry, "{entry:?} came back as {:?}", found.entry);
        hold!(found.id == user && found.version == 1, "it came back as {found:?}");
    }
    let mut asked: Vec<Pseudonym> = writes.iter().map(|write| write.id.clone()).collect();
    // More than are read at once, and most of them not there.
    asked.extend((0..130).map(|_| unique_user()));
    let found = stores.people.get_all(&asked).await?;
    let ids: BTreeSet<&Pseudonym> = found.iter().map(|found| &found.id).collect();
    let expected: BTreeSet<&Pseudonym> = asked[..3].iter().collect();
    hold!(ids == expected && found.len() == 3, "of three users with an entry, {found:?} came");
    let none = stores.people.get_all(&[]).await?;
    hold!(none.is_empty(), "nobody was asked for, and {none:?} came");
    Ok(())
}

async fn a_write_needs_the_right_version(stores: &Stores) -> Held {
    let user = unique_user();
    let attempts = [
        (Some(1), Committed::Conflict, "replacing what is not there"),
        (None, Committed::Yes, "creating"),
        (None, Committed::Conflict, "creating what is there"),
        (Some(2), Committed::Conflict, "replacing a version to come"),
        (Some(1), Committed::Yes, "replacing"),
        (Some(1), Committed::Conflict, "replacing an old version"),
        (Some(2), Committed::Yes, "replacing again"),
    ];
    for (expected, outcome, what) in attempts {
        let answer = stores.people.commit(&[write(&user, person(&user), expected)]).await?;
        hold!(answer == outcome, "{what} answered {answer:?}");
    }
    let version = stores.people.get(&user).await?.map(|found| found.version);
    hold!(version == Some(3), "after three writes the version is {version:?}");
    Ok(())
}

async fn a_commit_is_all_or_nothing(stores: &Stores) -> Held {
    let (old, new) = (unique_user(), unique_user());
    stores.people.commit(&[write(&old, person(&old), None)]).await?;
    let writes = [write(&new, person(&new), None), write(&old, link(&new), Some(7))];
    let answer = stores.people.commit(&writes).await?;
    hold!(answer == Committed::Conflict, "a commit with a wrong version answered {answer:?}");
    let half = stores.people.get(&new).await?;
    hold!(half.is_none(), "half of a refused commit was stored");
    let writes = [write(&new, person(&new), None), write(&old, link(&new), Some(1))];
    let answer = stores.people.commit(&writes).await?;
    hold!(answer == Committed::Yes, "a right commit answered {answer:?}");
    let linked = stores.people.get(&old).await?.map(|found| found.entry);
    hold!(linked == Some(link(&new)), "the link is {linked:?}");
    Ok(())
}

async fn the_largest_commit_is_possible(stores: &Stores) -> Held {
    let users: Vec<_> = (0..=MAX_MEMBERS).map(|_| unique_user()).collect();
    let writes: Vec<_> = users.iter().map(|user| write(user, person(user), None)).collect();
    let answer = stores.people.commit(&writes).await?;
    hold!(answer == Committed::Yes, "{} writes answered {answer:?}", writes.len());
    let answer = stores.people.commit(&[]).await?;
    hold!(answer == Committed::Yes, "a commit of nothing answered {answer:?}");
    Ok(())
}

async fn of_racing_commits_exactly_one_wins(stores: &Stores) -> Held {
    const RACERS: usize = 8;
    const ROUNDS: u64 = 10;
    let shared = unique_user();
    stores.people.commit(&[write(&shared, person(&shared), None)]).await?;
    for version in 1..=ROUNDS {
        let own: Vec<_> = (0..RACERS).map(|_| unique_user()).collect();
        let calls = own.clone().into_iter().map(|user| {
            let (store, shared) = (stores.people.clone(), shared.clone());
            let writes =
                [write(&shared, link(&user), Some(version)), write(&user, person(&user), None)];
            async move { store.commit(&writes).await.map(|answer| (user, answer)) }
        });
        let answers = together(calls).await?;
        let winners: Vec<_> =
            answers.iter().filter(|(_, answer)| *answer == Committed::Yes).collect();
        hold!(winners.len() == 1, "{} of {RACERS} racing commits won", winners.len());
        let winner = &winners[0].0;
        let stored = stores.people.get(&shared).await?.map(|found| found.entry);
        hold!(stored == Some(link(winner)), "another's entry than the winner's is stored");
        for user in &own {
            let is_there = stores.people.get(user).await?.is_some();
            hold!(is_there == (user == winner), "a loser's other write was stored");
        }
    }
    Ok(())
}

async fn scanning_meets_every_entry_once(stores: &Stores) -> Held {
    // Above 1 MB altogether, the most that one page of DynamoDB holds.
    const ENTRIES: usize = 120;
    let prefix = unique("v1_scan");
    let users: BTreeSet<Pseudonym> =
        (0..ENTRIES).map(|index| id(Pseudonym::parse, &format!("{prefix}-{index}"))).collect();
    let calls = users.clone().into_iter().map(|user| {
        let store = stores.people.clone();
        let mut person = Person::of_one(user.clone(), id(DomainId::parse, "knowledge"));
        person.members[0].declared = BTreeMap::from([("note".into(), "x".repeat(20_000))]);
        let write = write(&user, PeopleEntry::Person(person), None);
        async move { store.commit(&[write]).await }
    });
    together(calls).await?;
    let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = stores.people.scan(after).await?;
        pages += 1;
        found
            .extend(page.entries.into_iter().map(|entry| entry.id).filter(|id| users.contains(id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    hold!(pages > 1, "more than a page's worth came on one page");
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    hold!(distinct == users, "{} of {ENTRIES} entries were met", distinct.len());
    hold!(found.len() == ENTRIES, "entries were met {} times, not {ENTRIES}", found.len());
    Ok(())
}

async fn a_commit_may_rest_on_what_is_not_there(stores: &Stores) -> Held {
    let (user, there, absent) = (unique_user(), unique_user(), unique_user());
    stores.people.commit(&[write(&there, person(&there), None)]).await?;
    let new = [write(&user, person(&user), None)];
    let kept = [absent.clone(), there];
    let refused = stores.people.commit_unless(&new, &kept).await?;
    hold!(refused == Committed::Conflict, "a commit beside what is there answered {refused:?}");
    hold!(stores.people.get(&user).await?.is_none(), "a refused commit stored something");
    let done = stores.people.commit_unless(&new, std::slice::from_ref(&absent)).await?;
    hold!(done == Committed::Yes, "a commit beside nothing answered {done:?}");
    hold!(stores.people.get(&absent).await?.is_none(), "what is absent was made");
    Ok(())
}

async fn an_entry_goes_to_another_key_with_its_version(stores: &Stores) -> Held {
    let (from, to, taken) = (unique_user(), unique_user(), unique_user());
    for expected in [None, Some(1)] {
        stores.people.commit(&[write(&from, person(&from), expected)]).await?;
    }
    stores.people.commit(&[write(&taken, person(&taken), None)]).await?;
    let Some(entry) = stores.people.get(&from).await? else {
        hold!(false, "an entry is missing");
        return Ok(());
    };
    let stale = VersionedEntry { version: 1, ..entry.clone() };
    for (entry, to, what) in [(&stale, &to, "a stale entry"), (&entry, &taken, "upon another")] {
        let moved = stores.people.rekey(entry, to).await?;
        hold!(moved == Committed::Conflict, "{what} was moved: {moved:?}");
    }
    hold!(stores.people.get(&from).await?.as_ref() == Some(&entry), "a refused move moved");
    let moved = stores.people.rekey(&entry, &to).await?;
    hold!(moved == Committed::Yes, "a move answered {moved:?}");
    hold!(stores.people.get(&from).await?.is_none(), "the entry stands where it was");
    let found = stores.people.get(&to).await?.map(|found| (found.entry, found.version));
    hold!(found == Some((entry.entry.clone(), 3)), "it arrived as {found:?}");
    let again = stores.people.rekey(&entry, &to).await?;
    hold!(again == Committed::Conflict, "what is gone was moved again");
    let old = stores.people.commit(&[write(&to, person(&to), Some(2))]).await?;
    hold!(old == Committed::Conflict, "a version of before the move was overwritten");
    Ok(())
}
