"use strict";
(() => {
  const box = document.getElementById("filter");
  if (!box) return;
  const rows = [...document.getElementById("rows-body").rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const found = document.getElementById("found");
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, index) => {
      const hit = words.every((word) => texts[index].includes(word));
      row.hidden = !hit;
      count += hit;
    });
    found.textContent = words.length ? `${count} of ${rows.length}` : "";
  };
  box.addEventListener("input", show);
  document.getElementById("rows-body").addEventListener("click", (event) => {
    const tag = event.target.closest("button.tag");
    if (!tag) return;
    box.value = tag.textContent;
    show();
    box.scrollIntoView({ block: "nearest" });
  });
})();
