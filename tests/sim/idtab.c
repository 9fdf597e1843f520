// Tables of small integers, such as GEM handles: ids from 1, freed ones first.
#include <stdlib.h>

#include "sim.h"

static int grow(struct idtab *tab)
{
    uint32_t old = tab->capacity, capacity = old ? old * 2 : 16;
    uintptr_t *slots = realloc(tab->slots, capacity * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    if (!old)
        slots[old++] = 1; // id 0 is never valid
    for (uint32_t id = old; id < capacity; id++)
        slots[id] = (uintptr_t)(id + 1 < capacity ? id + 1 : 0) << 1 | 1;
    tab->slots = slots;
    tab->capacity = capacity;
    tab->free_head = old;
    return 0;
}

int idtab_add(struct idtab *tab, void *value, uint32_t *id)
{
    if (!tab->free_head && grow(tab))
        return -ENOMEM;
    *id = tab->free_head;
    tab->free_head = (uint32_t)(tab->slots[*id] >> 1);
    tab->slots[*id] = (uintptr_t)value;
    return 0;
}

void *idtab_remove(struct idtab *tab, uint32_t id)
{
    void *value = idtab_find(tab, id);
    if (value) {
        tab->slots[id] = (uintptr_t)tab->free_head << 1 | 1;
        tab->free_head = id;
    }
    return value;
}
