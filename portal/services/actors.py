"""Finding the actor behind a person, a token, a shell or the machine."""

from portal.models import Actor, ActorKind, ApiToken, Authentication, Person


def for_person(
    person: Person, *, authenticated_by: Authentication = Authentication.SESSION
) -> Actor:
    """The actor of a person who has authenticated in this way."""
    actor = Actor.objects.filter(person=person).first()
    if actor is None:
        actor, _ = Actor.objects.get_or_create(
            person=person, defaults={"kind": ActorKind.PERSON, "name": str(person)}
        )
    actor.person = person
    actor.authenticated_by = authenticated_by
    return actor


def rename(person: Person) -> None:
    """Call a person by another name from now on."""
    Actor.objects.filter(person=person).update(name=str(person))


def for_token(token: ApiToken) -> Actor:
    """The actor of a token; it counts as its owner where people are counted."""
    actor = Actor.objects.filter(token=token).first()
    if actor is None:
        actor, _ = Actor.objects.get_or_create(
            token=token, defaults={"kind": ActorKind.TOKEN, "name": token.name}
        )
    actor.token = token
    actor.authenticated_by = Authentication.TOKEN
    return actor


def system() -> Actor:
    """The portal itself: jobs, watchdog, triggers."""
    actor, _ = Actor.objects.get_or_create(
        kind=ActorKind.SYSTEM, defaults={"name": "system"}
    )
    actor.authenticated_by = Authentication.SYSTEM
    return actor


def host() -> Actor:
    """Whoever has a shell on the host. The ledger shows it as the host."""
    actor = system()
    actor.authenticated_by = Authentication.HOST
    return actor
