"use strict";
// Tables sort by their heads: numbers first from large to small, text from A to Z; what is missing stays last.
for (const head of document.querySelectorAll("th[aria-sort]")) {
  head.querySelector("button").addEventListener("click", () => {
    const column = head.cellIndex, body = head.closest("table").tBodies[0];
    const start = head.classList.contains("n") ? "descending" : "ascending";
    const other = start === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === start ? other : start;
    for (const each of head.parentElement.querySelectorAll("[aria-sort]")) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const value = (row) => {
      const given = row.cells[column].dataset.v;
      return given === undefined || given === "" ? null : isNaN(given) ? given : Number(given);
    };
    const sign = order === "ascending" ? 1 : -1;
    const compared = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compared(a, b)));
    body.append(...rows.map(([, row]) => row));
  });
}
// What scrolls sideways fades out at the right until its end is in sight: phones show no scrollbar.
const fade = (box) => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
const resized = new ResizeObserver((entries) => entries.forEach((each) => fade(each.target)));
for (const box of document.querySelectorAll(".scroll")) {
  box.addEventListener("scroll", () => fade(box), { passive: true });
  resized.observe(box);
}
// An experiment under the pointer stands out in every chart.
const lit = (name) => {
  document.body.classList.toggle("lit", name !== undefined);
  for (const each of document.querySelectorAll("[data-g]")) each.classList.toggle("on", each.dataset.g === name);
};
document.addEventListener("pointerover", (event) => lit(event.target.closest("[data-g]")?.dataset.g));
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
