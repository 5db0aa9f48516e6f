// The page's state in the browser's own database, so that it survives a reload. Nothing leaves the browser.

const NAME = "edgeconnect", TABLE = "pages";

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function within(mode, use) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode);
      const request = use(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

// Several values under their keys, all or none.
export const save = (values) => within("readwrite", (table) => { for (const [key, value] of Object.entries(values)) table.put(value, key); });
export const load = (key) => within("readonly", (table) => table.get(key));
