"""look.py CHROMIUM PAGE FOLDER NAME=NUMBER...: opens a page in headless Chromium, on a phone and a desktop, light
and dark, and fails with a line for each thing that is not as it should be.  Writes a picture of each into FOLDER."""

import base64
import fcntl
import json
import os
import subprocess
import sys
import tempfile

SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}

# What is found in the page, by code that runs in it: focusable elements in their order; contrasts that are too
# low, of text 4.5 (3 where it is large) and of marks and bars 3 to 1; names of elements; what scrolls sideways.
LOOK = r"""
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const colour = text => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const svgBox = e.matches('.node') && e !== element && (e.querySelector('rect.body') || e.querySelector('path.can'));
      layers.push(colour(svgBox ? getComputedStyle(svgBox).fill : getComputedStyle(e).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const faults = [];
  const say = (what, element, got) => faults.push(`${what}: ${got.toFixed(2)} <${element.tagName} class="${element.getAttribute('class') || ''}"> ${(element.textContent || '').trim().slice(0, 40)}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest('title, style, .away') || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), inside = element.closest('svg');
    const text = over(colour(inside ? style.fill : style.color), behind(element));
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && parseInt(style.fontWeight) >= 700);
    const found = ratio(text, behind(element));
    texts++;
    if (found < (large ? 3 : 4.5)) say('contrast of text', element, found);
  }
  let marks = 0;
  for (const element of document.querySelectorAll('.runs path:not(.axis), .node .bar, .node .dot, .mark, .chip, .edge')) {
    const style = getComputedStyle(element);
    const paint = element.matches('.mark') ? style.color : element.matches('.chip') ? style.backgroundColor
      : style.fill === 'none' ? style.stroke : style.fill;
    const found = ratio(over(colour(paint), behind(element.parentElement)), behind(element.parentElement));
    marks++;
    if (found < 3) say('contrast of a mark', element, found);
  }
  if (document.documentElement.scrollWidth > innerWidth) {
    faults.push(`the page is ${document.documentElement.scrollWidth} pixels wide on a screen of ${innerWidth}`);
    for (const e of document.body.querySelectorAll('*'))
      if (e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.plot')) { faults.push(`  for instance ${e.tagName} ${e.className}`); break; }
  }
  const allowed = new Set('html head meta link title style body svg defs symbol path circle rect use g a text header h1 bdi p time nav ul li b span main section h2 h3 div article dl dt dd details summary ol br pre code fieldset legend label input footer'.split(' '));
  for (const e of document.querySelectorAll('*')) {
    if (!allowed.has(e.localName)) faults.push(`an element ${e.localName}`);
    for (const a of e.attributes) if (/^on/.test(a.name) || (/^(href|src)$/.test(a.name) && !/^(#|data:,$)/.test(a.value))) faults.push(`an attribute ${a.name}="${a.value}"`);
    if (e.id && document.querySelectorAll('#' + CSS.escape(e.id)).length > 1) faults.push(`two elements with id ${e.id}`);
  }
  for (const a of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(a.getAttribute('href').slice(1))) faults.push(`a link to ${a.getAttribute('href')}, which is not there`);
  const small = [...document.querySelectorAll('summary, label')].filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 20);
  for (const e of small) faults.push(`${e.tagName} is too small to touch`);
  return {faults, texts, marks, quirks: document.compatMode !== 'CSS1Compat',
    articles: document.querySelectorAll('article').length, nodes: document.querySelectorAll('a.node').length,
    focusable: [...document.querySelectorAll('a[href], summary, [tabindex="0"], input')].filter(e => e.getClientRects().length)
      .filter(e => e.type !== 'radio' || e.checked).length};
})()
"""

# Where the focus is, among all elements, and whether it is seen.
FOCUS = r"""
(() => { const e = document.activeElement, s = getComputedStyle(e);
  return {place: [...document.querySelectorAll('*')].indexOf(e), name: e.localName + ' ' + (e.textContent || '').trim().slice(0, 30),
    seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, body: e === document.body}; })()
"""


class Browser:
    """Chromium, spoken to by a pair of pipes."""

    def __init__(self, program, folder):
        here, theirs = os.pipe(), os.pipe()

        def pipes():
            spare = fcntl.fcntl(here[0], fcntl.F_DUPFD, 20), fcntl.fcntl(theirs[1], fcntl.F_DUPFD, 20)
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir=" + folder, "about:blank"],
            preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(here[0])
        os.close(theirs[1])
        self.to, self.back = here[1], theirs[0]
        self.buffer, self.number, self.session, self.events = b"", 0, None, []

    def message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.back, 1 << 20)
            if not part:
                sys.exit("Chromium has ended")
            self.buffer += part
        one, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def await_event(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.message())

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(f"a script failed: {result['exceptionDetails']}")
        return result["result"].get("value")


def attach(browser):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(domain + ".enable")


def open_page(browser, url, size, scheme):
    """Opens a page, and returns what it said and loaded."""
    width, height = size
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    browser.call("Page.navigate", url=url)
    browser.await_event("Page.loadEventFired")
    faults = []
    for event in browser.events:
        if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            faults.append(f"on the console: {event['params']}")
        if event.get("method") == "Network.requestWillBeSent" and event["params"]["request"]["url"].split(":")[0] not in ("data",) \
                and event["params"]["request"]["url"] != url:
            faults.append(f"it loads {event['params']['request']['url']}")
    return faults


def press_tab(browser):
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    return browser.value(FOCUS)


def check_keyboard(browser, number):
    """By the Tab key each element that can have the focus is reached, in their order, and seen to have it."""
    faults, last = [], -1
    for step in range(number):
        focus = press_tab(browser)
        if focus["body"]:
            return faults + [f"the Tab key reaches {step} elements of {number}"]
        if focus["place"] <= last:
            faults.append(f"the focus goes back to {focus['name']}")
        if not focus["seen"]:
            faults.append(f"the focus is not seen on {focus['name']}")
        last = focus["place"]
    return faults


def take_picture(browser, name, width):
    height = min(int(browser.value("document.documentElement.scrollHeight")), 12000)
    shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
    with open(name, "wb") as file:
        file.write(base64.b64decode(shot["data"]))


def check(browser, page, folder, expected):
    faults = []
    for screen, size in SCREENS.items():
        for scheme in ("light", "dark"):
            where = f"{screen}, {scheme}"
            found = open_page(browser, "file://" + page, size, scheme)
            seen = browser.value(LOOK)
            found += seen["faults"] + (["the browser takes it for old HTML"] if seen["quirks"] else [])
            found += [f"{seen[name]} {name} instead of {number}" for name, number in expected.items() if seen[name] != number]
            take_picture(browser, f"{folder}/{os.path.basename(page)[:-5]}_{screen}_{scheme}.png", size[0])
            browser.value("document.querySelectorAll('details').forEach(e => e.open = true)")
            found += browser.value(LOOK)["faults"]
            if scheme == "light":
                open_page(browser, "file://" + page, size, scheme)
                found += check_keyboard(browser, seen["focusable"])
            print(f"{where}: {seen['texts']} texts, {seen['marks']} marks, {seen['focusable']} stops of the Tab key")
            faults += [f"{where}: {fault}" for fault in dict.fromkeys(found)]
    return faults


def main():
    program, page, folder, *numbers = sys.argv[1:]
    expected = {name: int(number) for name, number in (n.split("=") for n in numbers)}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        browser = Browser(program, scratch)
        attach(browser)
        faults = check(browser, os.path.abspath(page), folder, expected)
        browser.session = None
        browser.call("Browser.close")
        browser.process.wait(timeout=20)
    print("\n".join(faults[:40]))
    sys.exit(1 if faults else 0)


main()
