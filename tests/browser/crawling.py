"""What a browser says of a page, and where its links lead."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

DESKTOP = {"width": 1280, "height": 1000}
PHONE = {"width": 390, "height": 844}
# Listens from the first moment on to what is only told while a page loads.
LISTEN = """
window.seen = {violations: [], shift: 0};
document.addEventListener("securitypolicyviolation", event =>
    window.seen.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (!entry.hadRecentInput) window.seen.shift += entry.value;
})).observe({type: "layout-shift", buffered: true});
"""
LINKS = "[...document.querySelectorAll('a[href]')].map(each => each.href)"
OVERFLOW = """[...document.body.querySelectorAll('*')].filter(each => {
    const box = each.getBoundingClientRect();
    if (!box.width || box.right <= innerWidth + 1) return false;
    for (let up = each.parentElement; up; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== "visible") return false;
    return getComputedStyle(each).position !== "fixed";
}).slice(0, 3).map(each => each.outerHTML.slice(0, 160))"""


@dataclass
class Seen:
    """What a browser saw of one page."""

    path: str
    status: int = 0
    complaints: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    shift: float = 0.0
    requests: int = 0
    transferred: int = 0
    overflowing: list[str] = field(default_factory=list)


class Window:
    """A window of one size and one colour scheme, in which somebody is signed in."""

    def __init__(
        self,
        chromium: Any,
        url: str,
        size: dict[str, int],
        scheme: str,
        *,
        has_scripts: bool = True,
        session: dict[str, Any] | None = None,
    ):
        """Where somebody is signed in already, in a `session` that a window gave."""
        self.url, self.size, self.scheme = url, size, scheme
        self.context = chromium.new_context(
            viewport=size,
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=has_scripts,
            storage_state=session,
        )
        self.context.set_default_timeout(60_000)
        self.context.add_init_script(LISTEN)
        self.page = self.context.new_page()
        self.seen = Seen("")
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("console", self._heard)

    @cached_property
    def network(self) -> Any:
        """What was transferred, told by the browser itself."""
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda _: self._requested())
        session.on("Network.loadingFinished", self._loaded)
        return session

    def sign_in(self, username: str, password: str) -> dict[str, Any]:
        """By the form; the session, for other windows."""
        self.page.goto(f"{self.url}/admin/")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", password)
        self.page.click("[type=submit]")
        self.page.wait_for_url(f"{self.url}/admin/")
        return self.context.storage_state()

    def is_seen_as(self, size: dict[str, int], scheme: str) -> None:
        """Show the page that is open in another size and scheme."""
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=scheme)
        script = "is => document.documentElement.classList.toggle('dark', is)"
        self.page.evaluate(script, scheme == "dark")

    def look_at(self, path: str, *, is_first: bool = False) -> Seen:
        """Open a page, with an empty cache where it `is_first`, and wait for it."""
        self.network.send("Network.setCacheDisabled", {"cacheDisabled": is_first})
        self.seen = Seen(path)
        answer = self.page.goto(f"{self.url}{path}", wait_until="load")
        self.page.wait_for_timeout(150)  # for what scripts draw after they loaded
        self.seen.status = answer.status if answer else 0
        told = self.page.evaluate("window.seen")
        self.seen.violations, self.seen.shift = told["violations"], told["shift"]
        self.seen.overflowing = self.overflowing()
        return self.seen

    def overflowing(self) -> list[str]:
        """What is wider than the window."""
        return self.page.evaluate(OVERFLOW)

    def links(self) -> list[str]:
        """Where the page leads to, on this portal, without fragments."""
        here = self.page.url
        found = [urlsplit(urljoin(here, each)) for each in self.page.evaluate(LINKS)]
        host = urlsplit(self.url).netloc
        return [
            each.path + (f"?{each.query}" if each.query else "")
            for each in found
            if each.netloc == host
        ]

    def close(self) -> None:
        self.context.close()

    def _complain(self, said: str) -> None:
        self.seen.complaints.append(said)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._complain(message.text)

    def _requested(self) -> None:
        self.seen.requests += 1

    def _loaded(self, told: dict[str, Any]) -> None:
        self.seen.transferred += int(told["encodedDataLength"])
