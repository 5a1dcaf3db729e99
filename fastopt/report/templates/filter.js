document.querySelectorAll("table.filtered").forEach(function (table) {
  var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows), controls = [];
  var bar = document.createElement("div"), shown = document.createElement("output");
  bar.className = "filters";
  function text(row, column) {
    var cell = row.cells[column];
    return cell.getAttribute("data-filter") || cell.textContent.trim();
  }
  function label(name, control) {
    var box = document.createElement("label");
    box.append(name, control);
    bar.appendChild(box);
    control.addEventListener("input", apply);
  }
  function apply() {
    var left = 0;
    rows.forEach(function (row) {
      row.hidden = !controls.every(function (holds) { return holds(row); });
      left += row.hidden ? 0 : 1;
    });
    shown.textContent = left + " of " + rows.length + " rows";
  }
  Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
    var name = head.getAttribute("data-choose"), select = document.createElement("select"), values = [];
    if (!name) return;
    rows.forEach(function (row) { if (values.indexOf(text(row, column)) < 0) values.push(text(row, column)); });
    if (values.length < 2) return;
    [""].concat(values).forEach(function (value) { select.add(new Option(value || "all", value)); });
    controls.push(function (row) { return !select.value || text(row, column) === select.value; });
    label(name, select);
  });
  var box = document.createElement("input");
  box.type = "search";
  controls.push(function (row) {
    return row.textContent.toLowerCase().indexOf(box.value.trim().toLowerCase()) >= 0;
  });
  label("text in the row", box);
  bar.appendChild(shown);
  apply();
  (table.closest(".scroll") || table).before(bar);
});
