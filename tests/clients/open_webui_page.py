"""What a person does in Open WebUI's page, in a headless Chromium.

Knows the page; nothing of the service behind it.
"""

import asyncio
import contextlib
import re
import sys
from contextlib import asynccontextmanager

DOCUMENT = "Sandvik harbour report. The tide lifts the harbour of Sandvik by four metres.\n"
#: what a headless Chromium does unasked would only meet closed doors
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@asynccontextmanager
async def browse(driver, chromium, url, picture):
    """The page with its news put aside, as after a first visit.

    ``driver`` is the folder that Playwright was installed into; ``picture`` is taken at the end,
    whatever the end is.
    """
    sys.path.append(str(driver))
    from playwright.async_api import async_playwright  # pyright: ignore[reportMissingImports]

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        try:
            await page.goto(url)
            news = page.get_by_role("dialog")
            await news.get_by_role("button", name="Let's Go").click()
            await news.wait_for(state="hidden")
            yield page
        finally:
            await page.screenshot(path=picture)
            await browser.close()


async def models_offered(page):
    """(the model selected, all that the page offers)."""
    selector = page.locator("#model-selector-model-button")
    selected = (await selector.inner_text()).strip()
    await selector.click()
    await page.get_by_role("option").first.wait_for()
    offered = [text.strip() for text in await page.get_by_role("option").all_inner_texts()]
    await page.keyboard.press("Escape")
    return selected, offered


async def ask(page, question, ending, within_s=60):
    """Every state of the answer that was seen while it grew; of one that never ends, the last."""
    number = await page.locator(".chat-assistant").count()
    await page.locator("#chat-input").click()
    await page.keyboard.type(question)
    await page.locator("#send-message-button").click()
    shown = page.locator(".chat-assistant").nth(number).locator(".markdown-prose")
    states = [""]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not states[-1].endswith(ending):
                state = "\n".join(await shown.all_inner_texts()).strip()
                if state != states[-1]:
                    states.append(state)
                await asyncio.sleep(0.1)
    return states[1:] or [""]


async def attach(page, directory):
    """Put the document to the next question, and wait until Open WebUI has read it."""
    file = directory / "sandvik.txt"
    file.write_text(DOCUMENT)
    async with page.expect_response(re.compile("/api/v1/files/")):
        await page.locator("input[type=file]").first.set_input_files(file)
    await page.get_by_text(file.name).first.wait_for()
