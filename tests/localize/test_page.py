"""What the pages of `localize` say; `test_browser.py` opens them."""

import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from examinations import card, examine, write_video

from outpaint_lightning.io import read_mask
from outpaint_lightning.localize.page import render_index


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examined")


@pytest.fixture(scope="module")
def found(folder):
    return examine(
        write_video(folder / "a<b>.mp4"),
        folder / "out",
        {**card(), "limits": ["blind < red"]},
        save=frozenset({"probability", "coco"}),
        recheck=True,
    )


def page_of(examined):
    return (examined.folder / "report.html").read_text()


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_the_page_says_the_answer_and_how_sure_it_is(found):
    text = words(page_of(found))
    assert "Traces found Authentic footage looks like this in at most 5% of cases (n = 39)" in text
    assert "Tested on &#x27;forged&#x27;: pixel F1 0.620 (0.550 to 0.680) over 40 videos" in text
    assert "At most 5% of authentic videos are called forged" in text or "at most 5% of authentic videos" in text
    assert found.facts.sha256 in text
    assert "0123456789abcdef" in text
    assert "Of this checkpoint: blind &lt; red." in text
    assert "Finding nothing is no proof" in text
    assert "Examined once more" in text
    assert "a&lt;b&gt;" in text
    assert str(found.folder.parent) not in page_of(found)  # the page may be sent to others, the machine's paths not
    assert "a<b>" not in page_of(found)


def test_no_percentage_stands_alone(found):
    """Every percentage of the answer is a promise with its n, or one of pixels, beside its floors."""
    answer = re.search(r'<div class="verdict.*?</div>', page_of(found), re.DOTALL)[0]
    assert re.findall(r"\d+%", answer) == ["5%"]
    assert "(n = 39)" in answer


def test_frames_that_speak_most_come_first(found):
    numbers = [int(number) for number in re.findall(r"Frame (\d+), at", page_of(found))]
    scores = [row["score"] for row in found.rows]
    most, least = numbers[:5], numbers[5:]
    assert len(least) == 5
    assert scores[most[0]] == max(scores)
    assert scores[least[0]] == min(scores)
    assert not set(most) & set(least)
    assert page_of(found).count("<img ") == 30


def test_without_a_calibration_there_is_no_verdict(folder):
    examined = examine(write_video(folder / "plain.mp4", frames=4), folder / "out", None)
    text = words(page_of(examined))
    assert "No verdict This checkpoint was never calibrated" in text
    assert "Never tested" in text
    assert "Traces found" not in text
    assert json.loads((examined.folder / "score.json").read_text())["answer"] is None


def test_authentic_and_unsure(folder):
    clean = examine(write_video(folder / "clean.mp4", frames=4, spot=False), folder / "out", card())
    assert "No traces found" in words(page_of(clean))
    unlike = card()
    unlike["calibration"]["known"]["side"] = (400, 1080)
    other = examine(write_video(folder / "other.mp4", frames=4), folder / "out", unlike)
    assert "Unsure" in words(page_of(other))
    assert "Its smaller side is 96 pixels" in words(page_of(other))


class Checked(HTMLParser):
    """Collects what screen readers need."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.headings, self.images, self.lang, self.depth = [], [], [], None, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.lang = attributes.get("lang") if tag == "html" else self.lang
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img" or (tag == "svg" and attributes.get("aria-hidden") != "true"):
            self.images.append(attributes.get("alt") or attributes.get("aria-label"))


def test_screen_readers_find_their_way(found):
    checked = Checked(page_of(found))
    assert checked.lang == "en"
    assert all(checked.images)
    assert len(checked.ids) == len(set(checked.ids))
    assert checked.headings[0] == 1
    assert checked.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(checked.headings, checked.headings[1:], strict=False))
    for target in re.findall(r'href="#([^"]+)"', page_of(found)):
        assert target in checked.ids


def test_the_index_links_each_page(found):
    page = render_index([found, found])
    assert 'href="a%3Cb%3E/report.html"' in page
    assert "traces found" in page


def test_probability_is_kept_in_16_bits(found):
    """Levels of 8 bits stretched to 16 are multiples of 257."""
    levels = cv2.imread(str(found.folder / "probability" / "00012.png"), cv2.IMREAD_UNCHANGED)
    assert levels.dtype == np.uint16
    assert np.array_equal(levels / 65535 >= 0.5, read_mask(found.folder / "masks" / "00012.png"))
    assert (levels % 257).any()


def test_coco_regions_are_those_of_the_masks(found):
    content = json.loads((found.folder / "regions.json").read_text())
    mask = read_mask(found.folder / "masks" / "00012.png")
    regions = [each for each in content["annotations"] if each["image_id"] == 12]
    assert [each["area"] for each in regions] == [int(mask.sum())]
    runs = regions[0]["segmentation"]["counts"]
    assert np.array_equal(np.repeat(np.arange(len(runs)) % 2, runs).reshape(mask.shape, order="F"), mask)
    rows, columns = np.nonzero(mask)
    size = (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    assert regions[0]["bbox"] == [columns.min(), rows.min(), *size]
    assert len(content["images"]) == 24
    assert 0.5 <= regions[0]["score"] <= 1


def test_a_mask_that_begins_inside_and_one_that_is_full():
    from outpaint_lightning.localize.coco import run_lengths

    assert run_lengths(np.array([[True, False], [True, True]])) == [0, 2, 1, 1]
    assert run_lengths(np.ones((2, 2), bool)) == [0, 4]
    assert run_lengths(np.zeros((2, 2), bool)) == [4]
